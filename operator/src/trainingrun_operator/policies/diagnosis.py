"""Why an attempt failed: finds the pod that failed first and says what a person needs to know.

When one rank dies, the others fall over it: their connections break or the launcher stops them. So pods that
look like victims count only where no other pod failed, and of the rest the earliest end wins.
"""

from collections.abc import Sequence

from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.reasons import Reason
from trainingrun_api.status import LastFailure
from trainingrun_api.termination import PEER_LOST, TerminationMessage
from trainingrun_operator.observed import Job, Pod, Trouble

SIGKILLED = 137
"""128 + SIGKILL."""
LOST_NODE_REASONS = frozenset({"DeletionByTaintManager", "DeletionByPodGC", "NodeLost"})
"""Reasons by which the control plane ends pods of an unreachable or deleted node.

Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions.
"""
REFUSED_BY_NODE = ("OutOf", "UnexpectedAdmissionError", "NodeAffinity", "TopologyAffinityError")
"""How the reasons begin by which a kubelet refuses a pod that the scheduler gave it, such as OutOfcpu."""
LAUNCH_REASONS = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons by which the kubelet reports a program that could not be executed."""
VICTIM_SIGNS = (
    "connection closed by peer", "connection reset by peer", "broken pipe", "remote process exited",
    "socket timeout", "failed to recv", "sigterm",
)  # fmt: skip
"""What gloo, NCCL and torchrun say on ranks whose peer died."""

ADVICE = {
    Reason.BAD_DATA: "correct the data and create the TrainingRun anew",
    Reason.BAD_CONFIG: "correct spec.training and create the TrainingRun anew",
    Reason.OOM_KILLED: "raise spec.resources.memory, or lower training.data.batchSize or numWorkers",
    Reason.EVICTED: "create the TrainingRun anew; a higher pod.priorityClassName protects it",
    Reason.NODE_LOST: "create the TrainingRun anew once the node is back or replaced",
    Reason.INTERRUPTED: "somebody stopped the pod; create the TrainingRun anew",
    Reason.LAUNCH_FAILED: "check spec.command and spec.image: the program must exist and be executable",
}


def diagnose(spec: TrainingRunSpec, job: Job, pods: Sequence[Pod], known: LastFailure | None) -> LastFailure:
    """The first failure of a failed Job, or the Job's own message where no pod was there to ask."""
    return first_failure(spec, job.attempt, pods, known) or LastFailure(
        attempt=job.attempt,
        reason=Reason.EVICTED if "DisruptionTarget" in job.message else Reason.USER_ERROR,
        message=f"Job {job.name} failed and its failed pod is gone: {job.message}",
        advice="create the TrainingRun anew",
    )


def first_failure(
    spec: TrainingRunSpec, attempt: int, pods: Sequence[Pod], known: LastFailure | None
) -> LastFailure | None:
    """The first failure among the pods, or the known one of this attempt whose pod is gone by now.

    A pod that was deleted vanishes before its Job is Failed, so its end is noted while the Job is active.
    """
    if known and known.attempt == attempt and known.pod not in {pod.name for pod in pods}:
        return known
    failed_pods = [pod for pod in pods if pod.disruption or (pod.exit and pod.exit.code != names.EXIT_DONE)]
    return describe(spec, attempt, min(failed_pods, key=_precedence)) if failed_pods else None


def describe(spec: TrainingRunSpec, attempt: int, pod: Pod) -> LastFailure:
    """What one failed pod says about its end."""
    told = TerminationMessage.decode(pod.exit.message) if pod.exit else None
    reason = classify(pod)
    error = told.error if told else None
    rank = told.rank if told else None
    if rank is None and spec.local_world_size == 1:
        rank = pod.index
    return LastFailure(
        attempt=attempt,
        pod=pod.name,
        index=pod.index,
        rank=rank,
        node=pod.node or None,
        exit_code=pod.exit.code if pod.exit else None,
        reason=reason,
        message=f"{error.type}: {error.message}" if error else _plain_message(spec, pod),
        advice=error.advice if error and error.advice else _advice(reason, pod),
    )


def classify(pod: Pod) -> Reason:
    """The one word for the end of a failed pod."""
    if _refused(pod):
        return Reason.LAUNCH_FAILED
    if pod.disruption:
        return Reason.NODE_LOST if pod.disruption.reason in LOST_NODE_REASONS else Reason.EVICTED
    if pod.exit is None:
        return Reason.USER_ERROR
    if pod.exit.reason in LAUNCH_REASONS:
        return Reason.LAUNCH_FAILED
    if pod.exit.reason == "OOMKilled":
        return Reason.OOM_KILLED
    by_code = {
        names.EXIT_BAD_DATA: Reason.BAD_DATA,
        names.EXIT_BAD_CONFIG: Reason.BAD_CONFIG,
        names.EXIT_INTERRUPTED: Reason.INTERRUPTED,
    }
    return by_code.get(pod.exit.code, Reason.USER_ERROR)


def last_line(text: str) -> str:
    """The last line that says something: where a traceback names its error."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _precedence(pod: Pod) -> tuple[bool, float, int]:
    ended = pod.exit.finished_at.timestamp() if pod.exit else float("inf")
    return _is_victim(pod), ended, pod.index


def _is_victim(pod: Pod) -> bool:
    if pod.disruption or pod.exit is None or pod.exit.reason == "OOMKilled":
        return False
    if (told := TerminationMessage.decode(pod.exit.message)) and told.error:
        return told.outcome == "interrupted" or told.error.type == PEER_LOST
    if pod.exit.code in (names.EXIT_INTERRUPTED, SIGKILLED):
        return True
    said = pod.exit.message.lower()
    return any(sign in said for sign in VICTIM_SIGNS)


def _refused(pod: Pod) -> bool:
    return pod.disruption is not None and pod.disruption.reason.startswith(REFUSED_BY_NODE)


def _plain_message(spec: TrainingRunSpec, pod: Pod) -> str:
    if pod.disruption:
        return _trouble(pod.disruption)
    if pod.exit is None:
        return "the pod failed before its program started"
    if pod.exit.reason == "OOMKilled":
        return f"out of memory: the limit is {spec.resources.memory or 'that of the node'}"
    return (
        last_line(pod.exit.message) or f"the program wrote nothing ({pod.exit.reason or 'no reason given'})"
    )


def _trouble(trouble: Trouble) -> str:
    return f"{trouble.reason}: {trouble.message}" if trouble.message else trouble.reason


def _advice(reason: Reason, pod: Pod) -> str:
    if reason == Reason.USER_ERROR and pod.exit and pod.exit.code == SIGKILLED:
        return "SIGKILL often comes from the kernel's out-of-memory killer: raise spec.resources.memory"
    if _refused(pod):
        return "the node had no room after all; create the TrainingRun anew"
    return ADVICE.get(reason, f"read the whole log: kubectl logs {pod.name}")

"""Why an attempt failed: finds the pod that failed first and says what a person needs to know.

When one rank dies, the others fall over it: their connections break, the launcher stops them, or the Job
controller deletes their pods. So pods that look like victims count only where no other pod failed, and of the
rest the earliest end wins.
"""

import re
from collections.abc import Sequence

from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.reasons import Reason
from trainingrun_api.status import LastFailure
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.observed import Job, Pod
from trainingrun_operator.policies.advice import advice
from trainingrun_operator.policies.cause import (
    BY_CODE,
    cause,
    deleted,
    error_line,
    error_of,
    is_victim,
    refused,
    signal_name,
)

EXIT_IN_JOB = re.compile(r"failed with exit code (\d+)")
"""How the Job controller quotes the exit code of a failed pod."""
DISRUPTION_IN_JOB = "DisruptionTarget"
VANISHED_IN_JOB = "backoff limit"
"""What it says where no rule about exit codes or disruptions matched: the pod was gone by then."""


def diagnose(spec: TrainingRunSpec, job: Job, pods: Sequence[Pod], known: LastFailure | None) -> LastFailure:
    """The first failure of a failed Job."""
    found = first_failure(spec, job.attempt, pods, known)
    if found is None:
        return _by_job(job)
    gone = set(range(spec.nodes)) - {pod.index for pod in pods}
    if gone and _is_echo(found, pods):
        return _gone(job.attempt, min(gone))
    return found


def first_failure(
    spec: TrainingRunSpec, attempt: int, pods: Sequence[Pod], known: LastFailure | None
) -> LastFailure | None:
    """The first failure among the pods, or the known one of this attempt whose pod is gone by now.

    A pod that was deleted vanishes before its Job is Failed, so its end is noted while the Job is active.
    """
    failed = [pod for pod in pods if _failed(pod)]
    first = min(failed, key=_precedence, default=None)
    if known and known.attempt == attempt and known.pod not in {pod.name for pod in pods}:
        echo = known.reason == Reason.NCCL_TIMEOUT
        if first is None or is_victim(first) or not echo:
            return known
    return describe(spec, attempt, first) if first else None


def describe(spec: TrainingRunSpec, attempt: int, pod: Pod, reason: Reason | None = None) -> LastFailure:
    """What one failed pod says about its end; `reason` where it is known from elsewhere."""
    told = TerminationMessage.decode(pod.exit.message) if pod.exit else None
    reason = reason or cause(pod)
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
        message=_message(spec, pod, reason),
        advice=_advice(pod, reason),
    )


def _failed(pod: Pod) -> bool:
    return bool(pod.disruption) or deleted(pod) or bool(pod.exit and pod.exit.code != names.EXIT_DONE)


def _precedence(pod: Pod) -> tuple[bool, float, bool, int]:
    """Smallest for the pod that failed first. Times have whole seconds: who was deleted comes first."""
    moments = [pod.exit.finished_at] if pod.exit else []
    moments += [pod.deletion.requested_at] if pod.deletion else []
    first = min((moment.timestamp() for moment in moments), default=float("inf"))
    return is_victim(pod), first, not deleted(pod), pod.index


def _is_echo(found: LastFailure, pods: Sequence[Pod]) -> bool:
    return any(pod.name == found.pod and is_victim(pod) and not deleted(pod) for pod in pods)


def _gone(attempt: int, index: int) -> LastFailure:
    """Pods that ended are kept and deleted ones remembered, so nobody was looking when this one left."""
    return LastFailure(
        attempt=attempt,
        index=index,
        reason=Reason.POD_DELETED,
        message=f"the pod with index {index} was deleted while the operator was away",
        advice=advice(Reason.POD_DELETED),
    )


def _by_job(job: Job) -> LastFailure:
    """What the Job says, where no pod is left to ask."""
    code = int(found[1]) if (found := EXIT_IN_JOB.search(job.message)) else None
    if DISRUPTION_IN_JOB in job.message:
        reason = Reason.EVICTED
    elif VANISHED_IN_JOB in job.message or (code and signal_name(code)):
        reason = Reason.POD_DELETED
    else:
        reason = BY_CODE.get(code or 0, Reason.USER_ERROR)
    return LastFailure(
        attempt=job.attempt,
        exit_code=code,
        reason=reason,
        message=f"Job {job.name} failed and its failed pod is gone: {job.message}",
        advice="" if reason == Reason.USER_ERROR else advice(reason),
    )


def _message(spec: TrainingRunSpec, pod: Pod, reason: Reason) -> str:
    if pod.disruption:
        said = pod.disruption
        return f"{said.reason}: {said.message}" if said.message else said.reason
    if reason == Reason.NODE_LOST:
        return f"node {pod.node} does not answer"
    if reason == Reason.POD_DELETED:
        return "the pod was deleted"
    if pod.exit is None:
        return "the pod failed before its program started"
    if reason == Reason.OOM_KILLED:
        return f"out of memory: the limit is {spec.resources.memory or 'that of the node'}"
    if error := error_of(pod.exit):
        return f"{error.type}: {error.message}"
    if line := error_line(pod.exit.message):
        return line
    if killer := signal_name(pod.exit.code):
        return f"ended by {killer}"
    return f"the program wrote nothing ({pod.exit.reason or 'no reason given'})"


def _advice(pod: Pod, reason: Reason) -> str:
    if refused(pod):
        return "the node had no room after all"
    error = error_of(pod.exit) if pod.exit else None
    if error and error.advice and reason not in (Reason.OOM_KILLED, Reason.POD_DELETED, Reason.NODE_LOST):
        return error.advice
    if reason == Reason.KILLED and pod.exit and signal_name(pod.exit.code) == "SIGKILL":
        return (
            "SIGKILL often comes from the kernel's out-of-memory killer: raise resources.memory in a new run"
        )
    return advice(reason, pod.name, pod.node)

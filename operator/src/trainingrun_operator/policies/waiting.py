"""Why pods do not run yet, in the scheduler's and the kubelet's own words.

Pods pass through troubles that solve themselves: a claim is being provisioned, a finished run's GPUs are
about to be released. A trouble counts only on a pod of a few seconds, so that the status does not flicker.
"""

from dataclasses import dataclass

from trainingrun_api.reasons import Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.observed import Pod
from trainingrun_operator.plan import Situation
from trainingrun_operator.times import seconds_between

SETTLE_SECONDS = 3.0
"""Age from which on a pod's trouble is news."""

UNBOUND_SIGNS = ("persistentvolumeclaim", "volume node affinity conflict")
"""What the scheduler says where a volume, not a machine, is missing."""
BACK_OFF = "Back-off"
"""How the kubelet begins the message of a repeated pull, which may lack the error that the first one had."""

BY_WAITING_REASON = {
    "ErrImagePull": Reason.IMAGE_PULL,
    "ImagePullBackOff": Reason.IMAGE_PULL,
    "InvalidImageName": Reason.IMAGE_PULL,
    "ErrImageNeverPull": Reason.IMAGE_PULL,
    "ImageInspectError": Reason.IMAGE_PULL,
    "RegistryUnavailable": Reason.IMAGE_PULL,
    "SignatureValidationFailed": Reason.IMAGE_PULL,
    "CreateContainerConfigError": Reason.CONTAINER_CONFIG,
    "CreateContainerError": Reason.CONTAINER_CONFIG,
    "RunContainerError": Reason.CONTAINER_CONFIG,
}
"""Reasons of waiting containers (kubelet: pkg/kubelet/images/types.go,
pkg/kubelet/container/sync_result.go)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why the run waits, and when a trouble that is too young to tell will be old enough."""

    finding: Finding
    recheck_after: float | None = None


def why_waiting(situation: Situation) -> Waiting:
    """The reason to report: the first trouble by pod index, or how many pods are on their way."""
    troubled = [(pod, trouble) for pod in situation.pods if (trouble := trouble_of(pod))]
    if troubled:
        ages = [seconds_between(pod.created, situation.now) for pod, _ in troubled]
        if max(ages) < SETTLE_SECONDS:
            return Waiting(_on_the_way(situation), recheck_after=SETTLE_SECONDS - max(ages))
        pod, (reason, message) = troubled[0]
        return Waiting(
            Finding("False", reason, _sentence(situation, pod, reason, message, len(troubled) - 1))
        )
    return Waiting(_on_the_way(situation))


def trouble_of(pod: Pod) -> tuple[Reason, str] | None:
    """What keeps a pod from running, where that is more than time."""
    if pod.unschedulable:
        said = pod.unschedulable.message
        volume = any(sign in said.lower() for sign in UNBOUND_SIGNS)
        return (Reason.VOLUME_UNBOUND if volume else Reason.UNSCHEDULABLE), said
    if pod.waiting and pod.waiting.reason in BY_WAITING_REASON:
        return BY_WAITING_REASON[pod.waiting.reason], f"{pod.waiting.reason}: {pod.waiting.message}"
    return None


def _sentence(situation: Situation, pod: Pod, reason: Reason, message: str, others: int) -> str:
    known = situation.status.message
    if reason == Reason.IMAGE_PULL == situation.status.reason and BACK_OFF in message and known:
        return known
    where = f" on node {pod.node}" if pod.node else ""
    more = f" ({others} more pods wait for such a reason)" if others else ""
    return f"pod {pod.name} (index {pod.index}){where}: {message}{more}"


def _on_the_way(situation: Situation) -> Finding:
    nodes = situation.spec.nodes
    if len(situation.pods) < nodes:
        return Finding("False", Reason.AWAITING_PODS, "the pods are being created")
    running = sum(pod.runs for pod in situation.pods)
    return Finding("False", Reason.PODS_STARTING, f"{running} of {nodes} pods run, the others are starting")

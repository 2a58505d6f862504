"""Why pods do not run yet, in the scheduler's and the kubelet's own words.

Pods pass through troubles that solve themselves: a claim is being provisioned, a finished run's GPUs are
about to be released. A trouble counts only on a pod of a few seconds, so that the status does not flicker.
Pods that were refused before they existed, and volumes that cannot be mounted, show in Events alone: those
are read where nothing has moved for longer.
"""

from dataclasses import dataclass
from datetime import datetime

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.observed import Pod
from trainingrun_operator.plan import Situation, Verify
from trainingrun_operator.times import seconds_between

SETTLE_SECONDS = 3.0
"""Age from which on a pod's trouble is news."""

QUIET_SECONDS = 30.0
"""How long nothing may be known to be wrong before Events are read."""

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


BY_COMPLAINT = {
    "FailedCreate": Reason.REJECTED,
    "FailedMount": Reason.VOLUME_UNBOUND,
    "FailedAttachVolume": Reason.VOLUME_UNBOUND,
    "FailedMapVolume": Reason.VOLUME_UNBOUND,
}
"""Reasons of Events (Job controller: pkg/controller/job; kubelet: pkg/kubelet/events/event.go)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why the run waits, and when a trouble that is too young to tell will be old enough."""

    finding: Finding
    recheck_after: float | None = None
    verify: Verify | None = None
    """What to ask before this is told."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """The object that must move before the run can."""

    uid: str
    since: datetime


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
    return _quiet(situation)


def stuck(situation: Situation) -> Stuck | None:
    """The Job that lacks pods, or the first pod that does not start."""
    job = situation.job
    if job is None:
        return None
    if len({pod.index for pod in situation.pods}) < situation.spec.nodes:
        return Stuck(job.uid, job.started_at or job.created)
    return next((Stuck(pod.uid, pod.created) for pod in situation.pods if pod.started_at is None), None)


def trouble_of(pod: Pod) -> tuple[Reason, str] | None:
    """What keeps a pod from running, where that is more than time."""
    if pod.unschedulable:
        said = pod.unschedulable.message
        volume = any(sign in said.lower() for sign in UNBOUND_SIGNS)
        return (Reason.VOLUME_UNBOUND if volume else Reason.UNSCHEDULABLE), said
    if pod.waiting and pod.waiting.reason in BY_WAITING_REASON:
        return BY_WAITING_REASON[pod.waiting.reason], f"{pod.waiting.reason}: {pod.waiting.message}"
    return None


def _quiet(situation: Situation) -> Waiting:
    """What to say where neither the pods nor the scheduler tell of a trouble."""
    on_the_way = _on_the_way(situation)
    subject = stuck(situation)
    if subject is None:
        return Waiting(on_the_way)
    young = QUIET_SECONDS - seconds_between(subject.since, situation.now)
    if young > 0:
        return Waiting(on_the_way, recheck_after=young)
    if Verify.COMPLAINT not in situation.verified:
        return Waiting(_told_before(situation) or on_the_way, verify=Verify.COMPLAINT)
    said = situation.complaint
    if said is None or said.reason not in BY_COMPLAINT:
        return Waiting(on_the_way, recheck_after=QUIET_SECONDS)
    finding = Finding("False", BY_COMPLAINT[said.reason], f"{said.reason}: {said.message}")
    return Waiting(finding, recheck_after=QUIET_SECONDS)


def _told_before(situation: Situation) -> Finding | None:
    for condition in situation.status.conditions or ():
        if condition.type == ConditionType.RUNNING and condition.reason in BY_COMPLAINT.values():
            return Finding("False", Reason(condition.reason), condition.message)
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

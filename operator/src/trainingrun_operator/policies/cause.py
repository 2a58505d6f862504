"""The one word for why a pod ended. Pure.

The cluster's verdict comes first, then the exit code and the program's own termination message. Signs in a
log are the last resort, for images that leave no termination message.
"""

import signal

from trainingrun_api import names
from trainingrun_api.reasons import Reason
from trainingrun_api.termination import NCCL_TIMEOUT, PEER_LOST, TerminationError, TerminationMessage
from trainingrun_operator.observed import Exit, Pod

LOST_NODE_REASONS = frozenset({"DeletionByTaintManager", "DeletionByPodGC", "NodeLost"})
"""Reasons by which the control plane ends pods of an unreachable or deleted node.

Source: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions.
"""
PREEMPTION = "PreemptionByScheduler"
REFUSED_BY_NODE = ("OutOf", "UnexpectedAdmissionError", "NodeAffinity", "TopologyAffinityError")
"""How the reasons begin by which a kubelet refuses a pod that the scheduler gave it, such as OutOfcpu."""
LAUNCH_REASONS = frozenset({"StartError", "ContainerCannotRun"})
"""Reasons by which the kubelet reports a program that could not be executed."""
OOM_KILLED = "OOMKilled"
SIGNAL_EXIT_BASE = 128
"""A process that signal n ends has the exit code 128 + n in a pod's status."""
OWN_SIGNALS = frozenset({"SIGABRT", "SIGTERM", "SIGINT"})
"""Signals that a program raises itself, or is asked to end by."""

BY_CODE = {
    names.EXIT_BAD_DATA: Reason.BAD_DATA,
    names.EXIT_BAD_CONFIG: Reason.BAD_CONFIG,
    names.EXIT_INTERRUPTED: Reason.INTERRUPTED,
}
BY_ERROR_TYPE = {
    "OutOfMemoryError": Reason.CUDA_OUT_OF_MEMORY,
    NCCL_TIMEOUT: Reason.NCCL_TIMEOUT,
    PEER_LOST: Reason.NCCL_TIMEOUT,
    "ScratchFull": Reason.DISK_FULL,
    "Diverged": Reason.DIVERGED,
}
"""By `error.type` of the termination message."""
SIGNS = (
    (Reason.CUDA_OUT_OF_MEMORY, ("cuda out of memory", "torch.outofmemoryerror")),
    (Reason.DISK_FULL, ("no space left on device", "disk quota exceeded")),
    (
        Reason.NCCL_TIMEOUT,
        ("collective operation timeout", "distbackenderror", "ncclremoteerror", "ms for recv operation"),
    ),
)
"""What an error line says, in lower case."""
LOST_PEER_SIGNS = (
    "connection closed by peer", "connection reset by peer", "broken pipe", "remote process exited",
    "socket timeout", "failed to recv", "sigterm",
)  # fmt: skip
"""What gloo, NCCL and torchrun say on ranks whose peer died."""


def cause(pod: Pod) -> Reason:
    """Why a pod failed, was ended or refused."""
    if refused(pod):
        return Reason.LAUNCH_FAILED
    if pod.disruption:
        if pod.disruption.reason in LOST_NODE_REASONS:
            return Reason.NODE_LOST
        return Reason.PREEMPTED if pod.disruption.reason == PREEMPTION else Reason.EVICTED
    if deleted(pod):
        return Reason.NODE_LOST if pod.unreachable and pod.alive else Reason.POD_DELETED
    if pod.exit is None:
        return Reason.USER_ERROR
    if pod.exit.reason in LAUNCH_REASONS:
        return Reason.LAUNCH_FAILED
    if pod.exit.reason == OOM_KILLED:
        return Reason.OOM_KILLED
    return BY_CODE.get(pod.exit.code) or _by_error(pod.exit) or Reason.USER_ERROR


def refused(pod: Pod) -> bool:
    """Whether the node did not take the pod."""
    return pod.disruption is not None and pod.disruption.reason.startswith(REFUSED_BY_NODE)


def deleted(pod: Pod) -> bool:
    """Whether the pod ended because somebody deleted it.

    Whatever a program says of an error of its own came before: the Job controller deletes the pods that are
    left as soon as one ended, and that may be the first one that fell over the error.
    """
    if pod.deletion is None or (pod.exit and _own_error(pod.exit)):
        return False
    return pod.exit is None or pod.deletion.requested_at <= pod.exit.finished_at


def is_victim(pod: Pod) -> bool:
    """Whether the pod may only have fallen over the end of another one, or been cleared away after it."""
    if pod.disruption:
        return False
    if deleted(pod) or pod.exit is None:
        return True
    if cause(pod) in (Reason.INTERRUPTED, Reason.NCCL_TIMEOUT):
        return True
    if pod.exit.reason == OOM_KILLED or error_of(pod.exit):
        return False
    said = pod.exit.message.lower()
    return any(sign in said for sign in LOST_PEER_SIGNS)


def error_of(ended: Exit) -> TerminationError | None:
    """What the program says of its own error."""
    told = TerminationMessage.decode(ended.message)
    return told.error if told else None


def error_line(text: str) -> str:
    """The last line that names a known trouble, else the last one that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    known = (line for line in reversed(lines) if _by_sign(line))
    return next(known, lines[-1] if lines else "")


def signal_name(code: int) -> str | None:
    """The signal that ended a process with this exit code, such as SIGKILL."""
    try:
        return signal.Signals(code - SIGNAL_EXIT_BASE).name
    except ValueError:
        return None


def _own_error(ended: Exit) -> bool:
    """Whether the program tells of an error that is no echo of another pod's end."""
    told = TerminationMessage.decode(ended.message)
    if told is None or told.outcome != "failed" or told.error is None:
        return False
    return BY_ERROR_TYPE.get(told.error.type) != Reason.NCCL_TIMEOUT


def _by_error(ended: Exit) -> Reason | None:
    error = error_of(ended)
    text = error.message if error else ended.message
    known = (error and BY_ERROR_TYPE.get(error.type)) or _by_sign(text)
    if known:
        return known
    # torchrun and the launcher end with the signal of the rank that failed, and say so.
    killer = signal_name(ended.code)
    return Reason.KILLED if killer and killer not in OWN_SIGNALS else None


def _by_sign(text: str) -> Reason | None:
    said = text.lower()
    return next((reason for reason, signs in SIGNS if any(sign in said for sign in signs)), None)

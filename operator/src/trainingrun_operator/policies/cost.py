"""What the end of an attempt counts as, by its cause. Pure."""

from collections.abc import Sequence

from trainingrun_api.reasons import AttemptOutcome, Reason
from trainingrun_api.status import AttemptRecord, LastFailure

BY_REASON = {
    Reason.BAD_DATA: AttemptOutcome.FATAL,
    Reason.BAD_CONFIG: AttemptOutcome.FATAL,
    # The time to start, or to train, is over: what the pods waited for is the reason.
    Reason.DEADLINE_EXCEEDED: AttemptOutcome.FATAL,
    Reason.UNSCHEDULABLE: AttemptOutcome.FATAL,
    Reason.IMAGE_PULL: AttemptOutcome.FATAL,
    Reason.VOLUME_UNBOUND: AttemptOutcome.FATAL,
    Reason.CONTAINER_CONFIG: AttemptOutcome.FATAL,
    Reason.REJECTED: AttemptOutcome.FATAL,
    Reason.EVICTED: AttemptOutcome.DISRUPTION,
    Reason.PREEMPTED: AttemptOutcome.DISRUPTION,
    Reason.NODE_LOST: AttemptOutcome.DISRUPTION,
    Reason.INTERRUPTED: AttemptOutcome.DISRUPTION,
    Reason.POD_DELETED: AttemptOutcome.DISRUPTION,
    Reason.JOB_LOST: AttemptOutcome.DISRUPTION,
    Reason.UNREACHABLE: AttemptOutcome.DISRUPTION,
    Reason.SUSPENDED: AttemptOutcome.SUSPENSION,
    Reason.STALLED: AttemptOutcome.STALL,
    Reason.USER_ERROR: AttemptOutcome.FAILURE,
    Reason.OOM_KILLED: AttemptOutcome.FAILURE,
    Reason.LAUNCH_FAILED: AttemptOutcome.FAILURE,
    Reason.KILLED: AttemptOutcome.FAILURE,
    Reason.CUDA_OUT_OF_MEMORY: AttemptOutcome.FAILURE,
    Reason.NCCL_TIMEOUT: AttemptOutcome.FAILURE,
    Reason.DISK_FULL: AttemptOutcome.FAILURE,
    Reason.DIVERGED: AttemptOutcome.FAILURE,
}
CHARGED = frozenset({AttemptOutcome.FAILURE, AttemptOutcome.STALL})
"""Outcomes that cost one of `restart.maxFailures`."""


def outcome_of(failure: LastFailure) -> AttemptOutcome:
    """By the reason; a pod that its node refused never ran, which is the cluster's doing."""
    if failure.reason == Reason.LAUNCH_FAILED and failure.exit_code is None:
        return AttemptOutcome.DISRUPTION
    return BY_REASON.get(Reason(failure.reason), AttemptOutcome.FAILURE)


def repeats(before: Sequence[AttemptRecord], now: AttemptRecord) -> bool:
    """Whether an attempt failed just as the one right before it: the same error at the same step.

    A program that tells no steps may fail alike for a reason that passes, a file server that is away, unless
    it could not even be launched. A signal that kills is nothing that the program does.
    """
    if not before or now.outcome != AttemptOutcome.FAILURE or now.reason == Reason.KILLED:
        return False
    last = before[-1]
    told = now.to_step is not None or now.reason == Reason.LAUNCH_FAILED
    return told and (last.outcome, last.reason, last.message, last.to_step) == (
        now.outcome,
        now.reason,
        now.message,
        now.to_step,
    )

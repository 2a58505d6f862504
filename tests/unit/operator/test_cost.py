"""What the end of an attempt counts as."""

import pytest

from trainingrun_api.reasons import AttemptOutcome, Reason
from trainingrun_api.status import AttemptRecord, LastFailure
from trainingrun_operator.policies.cost import BY_REASON, outcome_of, repeats

FAILURE, STALL, DISRUPTION = AttemptOutcome.FAILURE, AttemptOutcome.STALL, AttemptOutcome.DISRUPTION
FATAL, SUSPENSION = AttemptOutcome.FATAL, AttemptOutcome.SUSPENSION


@pytest.mark.parametrize(
    ("reason", "exit_code", "outcome"),
    [
        (Reason.BAD_DATA, 65, FATAL),
        (Reason.BAD_CONFIG, 78, FATAL),
        (Reason.DEADLINE_EXCEEDED, None, FATAL),
        (Reason.UNSCHEDULABLE, None, FATAL),
        (Reason.IMAGE_PULL, None, FATAL),
        (Reason.VOLUME_UNBOUND, None, FATAL),
        (Reason.CONTAINER_CONFIG, None, FATAL),
        (Reason.REJECTED, None, FATAL),
        (Reason.EVICTED, 143, DISRUPTION),
        (Reason.PREEMPTED, 143, DISRUPTION),
        (Reason.NODE_LOST, None, DISRUPTION),
        (Reason.INTERRUPTED, 143, DISRUPTION),
        (Reason.POD_DELETED, 137, DISRUPTION),
        (Reason.JOB_LOST, None, DISRUPTION),
        (Reason.UNREACHABLE, None, DISRUPTION),
        (Reason.SUSPENDED, None, SUSPENSION),
        (Reason.STALLED, None, STALL),
        (Reason.USER_ERROR, 1, FAILURE),
        (Reason.OOM_KILLED, 137, FAILURE),
        (Reason.KILLED, 137, FAILURE),
        (Reason.CUDA_OUT_OF_MEMORY, 1, FAILURE),
        (Reason.NCCL_TIMEOUT, 1, FAILURE),
        (Reason.DISK_FULL, 1, FAILURE),
        (Reason.DIVERGED, 1, FAILURE),
        (Reason.LAUNCH_FAILED, 128, FAILURE),
        (Reason.LAUNCH_FAILED, None, DISRUPTION),
    ],
)
def test_the_cause_decides_what_an_end_costs(
    reason: Reason, exit_code: int | None, outcome: AttemptOutcome
) -> None:
    assert outcome_of(LastFailure(attempt=1, reason=reason, exit_code=exit_code)) == outcome


def test_every_cause_that_the_table_knows_is_in_the_test_above() -> None:
    marks = test_the_cause_decides_what_an_end_costs.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in marks[0].args[1]} == set(BY_REASON)


def record(
    number: int = 1,
    outcome: AttemptOutcome = FAILURE,
    reason: Reason = Reason.USER_ERROR,
    message: str = "boom",
    to_step: int | None = 7,
) -> AttemptRecord:
    return AttemptRecord(number=number, outcome=outcome, reason=reason, message=message, to_step=to_step)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (record(), record(2), True),
        (record(to_step=0), record(2, to_step=0), True),
        (record(message="other"), record(2), False),
        (record(to_step=6), record(2), False),
        (record(reason=Reason.OOM_KILLED), record(2), False),
        (record(outcome=STALL, reason=Reason.STALLED), record(2, STALL, Reason.STALLED), False),
        (record(outcome=DISRUPTION), record(2, DISRUPTION), False),
        (record(reason=Reason.KILLED), record(2, reason=Reason.KILLED), False),
        # A program that tells no steps: who knows whether the second time was the same.
        (record(to_step=None), record(2, to_step=None), False),
        (
            record(reason=Reason.LAUNCH_FAILED, to_step=None),
            record(2, reason=Reason.LAUNCH_FAILED, to_step=None),
            True,
        ),
    ],
)
def test_a_crash_is_deterministic_where_the_same_step_fails_alike_twice(
    before: AttemptRecord, now: AttemptRecord, expected: bool
) -> None:
    assert repeats([record(9, message="long ago"), before], now) == expected


def test_one_crash_alone_is_none() -> None:
    assert not repeats([], record())


def test_an_attempt_in_between_that_ended_otherwise_counts() -> None:
    assert not repeats([record(), record(2, DISRUPTION)], record(3))

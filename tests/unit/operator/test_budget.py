"""The budget of failures and the pauses between attempts."""

import pytest

from trainingrun_api.lifecycle import Restart
from trainingrun_api.reasons import AttemptOutcome, Reason
from trainingrun_api.status import AttemptRecord, Budget, TrainingRunStatus
from trainingrun_operator.policies.budget import backoff, charged, fruitless, refilled


@pytest.mark.parametrize(
    ("budget", "checkpoint", "whole"),
    [
        (None, None, True),
        (Budget(failures=2, step=100), None, False),
        (Budget(failures=2, step=100), 99, False),
        (Budget(failures=2, step=100), 100, False),
        (Budget(failures=2, step=100), 101, True),
        (Budget(failures=2, step=0), 1, True),
        (Budget(failures=2), 101, False),
    ],
)
def test_a_checkpoint_beyond_the_last_failure_makes_it_whole(
    budget: Budget | None, checkpoint: int | None, whole: bool
) -> None:
    assert (refilled(budget, checkpoint) is None) == whole


@pytest.mark.parametrize(
    ("budget", "checkpoint", "last_step", "expected"),
    [
        (None, None, None, Budget(failures=1, step=0)),
        (None, 80, 95, Budget(failures=1, step=95)),
        (Budget(failures=1, step=95), 80, 95, Budget(failures=2, step=95)),
        (Budget(failures=2, step=95), 160, 170, Budget(failures=1, step=170)),
        (Budget(failures=2, step=95), 90, None, Budget(failures=3, step=90)),
    ],
)
def test_each_failure_is_charged_at_the_step_that_was_reached(
    budget: Budget | None, checkpoint: int | None, last_step: int | None, expected: Budget
) -> None:
    assert charged(budget, checkpoint, last_step) == expected


@pytest.mark.parametrize(("times", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (6, 300), (10_000, 300)])
def test_the_pause_doubles_up_to_the_longest(times: int, seconds: int) -> None:
    assert backoff(Restart(), times) == seconds


def ended(
    number: int, from_step: int | None, outcome: AttemptOutcome = AttemptOutcome.DISRUPTION
) -> AttemptRecord:
    return AttemptRecord(number=number, outcome=outcome, reason=Reason.EVICTED, from_step=from_step)


@pytest.mark.parametrize(
    ("before", "now", "checkpoint", "times"),
    [
        ([], ended(1, 0), None, 0),
        ([ended(1, 0)], ended(2, 0), None, 1),
        ([ended(1, None)], ended(2, None), 500, 1),
        ([ended(1, 0), ended(2, 0)], ended(3, 0), 0, 2),
        # The one that ends now wrote a checkpoint, or the one before it did.
        ([ended(1, 0)], ended(2, 0), 40, 0),
        ([ended(1, 0)], ended(2, 40), 40, 0),
        ([ended(1, 0), ended(2, 40)], ended(3, 40), 40, 1),
        ([ended(1, 0), ended(2, 0, AttemptOutcome.FAILURE)], ended(3, 0), None, 0),
    ],
)
def test_disruptions_in_a_row_without_a_new_checkpoint_are_counted(
    before: list[AttemptRecord], now: AttemptRecord, checkpoint: int | None, times: int
) -> None:
    assert fruitless(TrainingRunStatus(attempts=before), now, checkpoint) == times

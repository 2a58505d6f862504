"""The budget of failures: what it is charged, when it is whole again, and how long the next attempt waits.
Pure."""

from collections.abc import Sequence

from trainingrun_api.lifecycle import Restart
from trainingrun_api.reasons import AttemptOutcome
from trainingrun_api.status import AttemptRecord, Budget, TrainingRunStatus


def refilled(budget: Budget | None, checkpoint_step: int | None) -> Budget | None:
    """None, a whole budget, where the newest checkpoint lies beyond the last charged failure."""
    if budget and budget.step is not None and (checkpoint_step or 0) > budget.step:
        return None
    return budget


def charged(budget: Budget | None, checkpoint_step: int | None, last_step: int | None) -> Budget:
    """The budget after one more failure at `last_step`."""
    before = refilled(budget, checkpoint_step)
    return Budget(
        failures=(before.failures if before else 0) + 1, step=max(last_step or 0, checkpoint_step or 0)
    )


def backoff(restart: Restart, times: int) -> int:
    """Seconds before the next attempt after so many ends in a row without progress; none after 0."""
    if times == 0:
        return 0
    return int(min(restart.max_backoff_seconds, restart.backoff_seconds * 2 ** min(times - 1, 30)))


def fruitless(status: TrainingRunStatus, now: AttemptRecord, checkpoint_step: int | None) -> int:
    """Disruptions in a row before this one since the newest checkpoint was written."""

    def brought(record: AttemptRecord) -> bool:
        return record.from_step is not None and (checkpoint_step or 0) > record.from_step

    row: Sequence[AttemptRecord] = (*(status.attempts or ()), now)
    count = 0
    for record in reversed(row):
        if record.outcome != AttemptOutcome.DISRUPTION or brought(record):
            break
        count += 1
    return max(0, count - 1)

"""Goodput: the share of a run's time that is in its result. Pure.

Useful seconds over seconds since all pods first ran. Start-up, lost steps, restarts and saves that hold
training up lower it. Time that somebody chose not to use does not: the run was suspended, waited for its
queue or project, or had failed until it was retried.
"""

from collections.abc import Iterable
from datetime import datetime

from trainingrun_api.reasons import ConditionType
from trainingrun_api.status import Condition, TrainingRunStatus
from trainingrun_operator.times import from_timestamp, seconds_between

PERMISSIONS = {
    ConditionType.SUSPENDED: "False",
    ConditionType.QUOTA_RESERVED: "True",
    ConditionType.FAILED: "False",
}
"""Conditions, and their status where the run may have pods."""


def goodput(status: TrainingRunStatus, useful_seconds: float | None, at: datetime) -> str | None:
    """The share at a moment such as 0.934; None where the trainer does not tell, or nothing ran yet."""
    started = from_timestamp(status.start_time)
    if useful_seconds is None or started is None:
        return None
    seconds = seconds_between(started, at) - (status.paused_seconds or 0)
    return f"{min(1.0, useful_seconds / seconds):.3f}" if seconds >= 1 else None


def paused_seconds(status: TrainingRunStatus) -> int | None:
    """Seconds that the run had no permission to run since its start, once an attempt runs again.

    The gap since the last attempt that ran counts up to the last permission that was given in it.
    """
    ran = [record.end_time for record in status.attempts or () if record.start_time]
    ended = from_timestamp(ran[-1]) if ran else None
    permitted = _last_permission(status.conditions or ())
    if ended is None or permitted is None or permitted <= ended:
        return status.paused_seconds
    return (status.paused_seconds or 0) + round(seconds_between(ended, permitted))


def _last_permission(conditions: Iterable[Condition]) -> datetime | None:
    given = [
        moment
        for condition in conditions
        if PERMISSIONS.get(ConditionType(condition.type)) == condition.status
        and (moment := from_timestamp(condition.last_transition_time))
    ]
    return max(given, default=None)

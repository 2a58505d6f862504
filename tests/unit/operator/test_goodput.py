"""The share of a run's time that is in its result, against a count by hand."""

from datetime import timedelta

import pytest

from tests.unit.operator.builders import NOW, at, dead_pod, raw_job, situation, started
from trainingrun_api.reasons import AttemptOutcome, ConditionType
from trainingrun_api.status import AttemptRecord, Condition, TrainingRunStatus
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.decide import decide
from trainingrun_operator.goodput import goodput, paused_seconds
from trainingrun_operator.progress import final, live
from trainingrun_operator.scrape import Scrape


@pytest.mark.parametrize(
    ("started", "paused", "useful", "share"),
    [
        (-1000, None, 900.0, "0.900"),
        (-1000, 0, 934.4, "0.934"),
        (-1000, 500, 450.0, "0.900"),
        (-1000, None, 1003.0, "1.000"),
        (-1000, None, 0.0, "0.000"),
        (-1000, None, None, None),
        (0, None, 0.0, None),
        (None, None, 900.0, None),
    ],
)
def test_useful_seconds_over_seconds_that_the_run_was_to_run(
    started: float | None, paused: int | None, useful: float | None, share: str | None
) -> None:
    status = TrainingRunStatus(start_time=None if started is None else at(started), paused_seconds=paused)
    assert goodput(status, useful, NOW) == share


def test_the_end_is_that_of_the_whole_gang() -> None:
    told = TerminationMessage(outcome="completed", useful_seconds=80).encode().decode()
    before = started().model_copy(update={"start_time": at(-110)})
    then = situation(raw_job("Complete", ended=-10), dead_pod(0, 0, told, ended=-30), status=before)
    after = decide(then).status
    assert after is not None
    assert (after.completion_time, after.goodput) == (at(-10), "0.800")


def test_a_run_that_ended_before_it_was_seen_to_run_has_a_share_too() -> None:
    told = TerminationMessage(outcome="completed", useful_seconds=36).encode().decode()
    after = decide(situation(raw_job("Complete", ended=-10), dead_pod(0, 0, told))).status
    assert after is not None
    assert (after.start_time, after.goodput) == (at(-55), "0.800")


def record(number: int, ended: float, began: float | None = -5000) -> AttemptRecord:
    return AttemptRecord(
        number=number,
        outcome=AttemptOutcome.FAILURE,
        reason="Killed",
        start_time=None if began is None else at(began),
        end_time=at(ended),
    )


def condition(kind: ConditionType, status: str, since: float) -> Condition:
    return Condition.model_validate(
        {"type": kind, "status": status, "last_transition_time": at(since), "reason": "x"}
    )


ADMITTED = condition(ConditionType.QUOTA_RESERVED, "True", -9000)
NEVER_SUSPENDED = condition(ConditionType.SUSPENDED, "False", -9000)


@pytest.mark.parametrize(
    ("records", "conditions", "before", "after"),
    [
        ([], [ADMITTED, NEVER_SUSPENDED], None, None),
        ([record(1, -300)], [ADMITTED, NEVER_SUSPENDED], None, None),
        ([record(1, -300)], [ADMITTED, NEVER_SUSPENDED], 40, 40),
        ([record(1, -300)], [ADMITTED, condition(ConditionType.SUSPENDED, "False", -100)], 40, 240),
        (
            [record(1, -300)],
            [condition(ConditionType.QUOTA_RESERVED, "True", -50), NEVER_SUSPENDED],
            None,
            250,
        ),
        (
            [record(1, -300)],
            [
                condition(ConditionType.QUOTA_RESERVED, "True", -50),
                condition(ConditionType.SUSPENDED, "False", -100),
            ],
            None,
            250,
        ),
        ([record(1, -300)], [condition(ConditionType.FAILED, "False", -20)], None, 280),
        ([record(1, -300)], [condition(ConditionType.SUSPENDED, "True", -100)], None, None),
        (
            [record(1, -300), record(2, -80, began=None)],
            [condition(ConditionType.SUSPENDED, "False", -100)],
            None,
            200,
        ),
    ],
    ids=[
        "first start",
        "plain restart",
        "plain restart after a pause",
        "suspended",
        "queued",
        "suspended, then queued",
        "failed, then retried",
        "still suspended",
        "an attempt in between never ran",
    ],
)
def test_time_without_permission_to_run_is_a_pause(
    records: list[AttemptRecord], conditions: list[Condition], before: int | None, after: int | None
) -> None:
    status = TrainingRunStatus(
        start_time=at(-5000), attempts=records, conditions=conditions, paused_seconds=before
    )
    assert paused_seconds(status) == after


def test_a_run_that_was_killed_and_suspended_agrees_with_a_count_by_hand() -> None:
    """10 s of start, 100 s of training of which 40 s are lost, 15 s to restart, 200 s of training, 3600 s
    suspended, 12 s to restart, 300 s of training and testing: 560 of 637 seconds."""
    start = NOW - timedelta(seconds=10 + 100 + 15 + 200 + 3600 + 12 + 300)
    suspended_at = start + timedelta(seconds=10 + 100 + 15 + 200)
    resumed_at = suspended_at + timedelta(seconds=3600)

    def offset(moment: object) -> float:
        return (moment - NOW).total_seconds()  # type: ignore[operator, no-any-return]

    status = TrainingRunStatus(
        start_time=at(offset(start)),
        attempts=[record(1, offset(start) + 110), record(2, offset(suspended_at))],
        conditions=[ADMITTED, condition(ConditionType.SUSPENDED, "False", offset(resumed_at))],
    )
    status = status.model_copy(update={"paused_seconds": paused_seconds(status)})
    useful = 60 + 200 + 300
    running = status.model_copy(update=live(status, Scrape(at=NOW, heartbeat=1.0, useful_seconds=useful)))
    ended = status.model_copy(
        update=final(status, TerminationMessage(outcome="completed", useful_seconds=useful), NOW)
    )
    for found in (running, ended):
        assert found.goodput is not None
        assert float(found.goodput) == pytest.approx(560 / 637, rel=0.02)

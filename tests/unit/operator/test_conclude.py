"""The end of an attempt: its record, its cost and what follows."""

from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    at,
    condition,
    dead_pod,
    raw_job,
    raw_pod,
    situation,
    started,
    status_after,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import AttemptOutcome, ConditionType, Phase, Reason
from trainingrun_api.status import (
    AttemptRecord,
    Budget,
    Checkpoint,
    LastFailure,
    Progress,
    Restarts,
    Stopping,
)
from trainingrun_operator.plan import Plan
from trainingrun_operator.policies.conclude import conclude

OUTCOMES = {
    Reason.USER_ERROR: AttemptOutcome.FAILURE,
    Reason.STALLED: AttemptOutcome.STALL,
    Reason.EVICTED: AttemptOutcome.DISRUPTION,
    Reason.SUSPENDED: AttemptOutcome.SUSPENSION,
    Reason.BAD_DATA: AttemptOutcome.FATAL,
}


def running(**fields: Any) -> TrainingRunStatus:
    """The status of a run whose only pod runs."""
    return status_after(raw_job(), raw_pod()).model_copy(update=fields)


def end(
    reason: Reason = Reason.USER_ERROR,
    status: TrainingRunStatus | None = None,
    spec: dict[str, Any] | None = None,
) -> Plan:
    """The conclusion of attempt 1, whose pod ended 10 s ago after 45 s."""
    whole = {**COMMAND, **(spec or {})}
    found = situation(raw_job("Failed"), dead_pod(message="boom"), status=status or running(), spec=whole)
    failure = LastFailure(attempt=1, reason=reason, message="boom", pod="chest-1-0-x", node="n1")
    return conclude(found, failure, OUTCOMES[reason])


def status_of(plan: Plan) -> TrainingRunStatus:
    assert plan.status is not None
    return plan.status


class TestRecord:
    def test_it_tells_how_where_when_and_how_far(self) -> None:
        known = running(
            progress=Progress(global_step=120), checkpoint=Checkpoint(step=100, resumed_from_step=40)
        )
        [record] = status_of(end(status=known)).attempts or []
        assert record == AttemptRecord(
            number=1,
            outcome=AttemptOutcome.FAILURE,
            reason=Reason.USER_ERROR,
            message="boom",
            pod="chest-1-0-x",
            node="n1",
            start_time=at(-55),
            end_time=at(-10),
            duration_seconds=45,
            from_step=40,
            to_step=120,
        )

    def test_where_the_pods_are_gone_the_status_knows_when_they_ran(self) -> None:
        plan = conclude(
            situation(raw_job("Failed"), status=running()),
            LastFailure(attempt=1, reason=Reason.EVICTED),
            AttemptOutcome.DISRUPTION,
        )
        [record] = status_of(plan).attempts or []
        assert (record.start_time, record.end_time) == (at(0), at(-10))

    def test_pods_that_never_all_ran_have_no_duration(self) -> None:
        [record] = status_of(end(status=started())).attempts or []
        assert record.duration_seconds == 45
        waited = conclude(
            situation(raw_job("Failed"), status=started()),
            LastFailure(attempt=1, reason=Reason.EVICTED),
            AttemptOutcome.DISRUPTION,
        )
        [record] = status_of(waited).attempts or []
        assert (record.start_time, record.duration_seconds) == (None, None)

    def test_a_stopped_attempt_ended_when_that_was_decided(self) -> None:
        decided = Stopping(attempt=1, reason=Reason.STALLED, time=at(-20))
        [record] = status_of(end(Reason.STALLED, running(stopping=decided))).attempts or []
        assert (record.end_time, record.duration_seconds) == (at(-20), 35)

    def test_the_last_five_are_kept_and_the_time_adds_up(self) -> None:
        old = [
            AttemptRecord(number=n, outcome=AttemptOutcome.DISRUPTION, reason=Reason.EVICTED)
            for n in range(101, 106)
        ]
        status = status_of(end(status=running(attempts=old, active_seconds=100)))
        assert [record.number for record in status.attempts or ()] == [102, 103, 104, 105, 1]
        assert status.active_seconds == 145


class TestCost:
    @pytest.mark.parametrize(
        ("reason", "counts", "budget"),
        [
            (Reason.USER_ERROR, (1, 0, 0, 1), 1),
            (Reason.BAD_DATA, (1, 0, 0, 1), None),
            (Reason.STALLED, (0, 1, 0, 1), 1),
            (Reason.EVICTED, (0, 0, 1, 1), None),
            (Reason.SUSPENDED, (0, 0, 0, 0), None),
        ],
    )
    def test_each_end_is_counted_and_charged_once(
        self, reason: Reason, counts: tuple[int, int, int, int], budget: int | None
    ) -> None:
        status = status_of(end(reason))
        found = status.restarts or Restarts()
        assert (found.failures, found.stalls, found.disruptions, found.total) == counts
        assert (status.budget and status.budget.failures) == budget

    @pytest.mark.parametrize(
        ("failures", "step", "phase", "left"),
        [
            (0, 0, Phase.PENDING, 1),
            (2, 0, Phase.PENDING, 3),
            (3, 0, Phase.FAILED, 4),
            # A checkpoint at step 100 lies beyond the last failure: the budget was whole again.
            (3, 99, Phase.PENDING, 1),
            (3, 100, Phase.FAILED, 4),
        ],
    )
    def test_the_run_fails_with_the_failure_after_the_last_restart(
        self, failures: int, step: int, phase: Phase, left: int
    ) -> None:
        checkpoint = Checkpoint(step=100) if step else None
        known = running(budget=Budget(failures=failures, step=step), checkpoint=checkpoint)
        status = status_of(end(status=known))
        assert (status.phase, status.budget and status.budget.failures) == (phase, left)

    def test_the_end_of_the_budget_says_how_to_go_on(self) -> None:
        status = status_of(end(spec={"restart": {"maxFailures": 0}}))
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.USER_ERROR)
        assert (status.message or "").endswith(
            "boom. restart.maxFailures (0) is used up: to go on from the newest checkpoint, raise it and set "
            "the annotation trainingrun.dev/retry to a new text"
        )
        assert (status.completion_time, status.next_attempt_time) == (at(-10), None)

    def test_a_fatal_end_fails_the_run_at_once(self) -> None:
        status = status_of(end(Reason.BAD_DATA))
        assert (status.phase, status.reason, status.budget) == (Phase.FAILED, Reason.BAD_DATA, None)

    def test_a_deterministic_crash_fails_the_run_the_second_time(self) -> None:
        first = AttemptRecord(
            number=0, outcome=AttemptOutcome.FAILURE, reason=Reason.USER_ERROR, message="boom", to_step=7
        )
        known = running(attempts=[first], progress=Progress(global_step=7))
        status = status_of(end(status=known))
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.USER_ERROR)
        assert "attempt 0 ended alike at the same step" in (status.message or "").lower()
        assert (status.attempts or [])[-1].outcome == AttemptOutcome.FATAL


class TestNext:
    @pytest.mark.parametrize(
        ("reason", "failures", "pause"),
        [
            (Reason.USER_ERROR, 0, 10),
            (Reason.USER_ERROR, 1, 20),
            (Reason.STALLED, 2, 40),
            (Reason.EVICTED, 2, 0),
        ],
    )
    def test_the_pause_before_the_next_attempt(self, reason: Reason, failures: int, pause: int) -> None:
        plan = end(reason, running(budget=Budget(failures=failures, step=0)))
        assert (status_of(plan).next_attempt_time, plan.requeue_after) == (at(pause), pause)

    def test_the_conditions_tell_the_story_in_one_sentence(self) -> None:
        status = status_of(end())
        told = (
            "attempt 1 ended: pod chest-1-0-x (node n1): boom. Failure 1 of at most 3; attempt 2 starts in "
            "10 s"
        )
        restarting = condition(status, ConditionType.RESTARTING)
        assert (restarting.status, restarting.reason, restarting.message) == ("True", "UserError", told)
        assert (status.phase, status.reason, status.message) == (Phase.PENDING, Reason.BACK_OFF, told)
        assert status.nodes_ready == "0/1"

    def test_a_disruption_is_said_to_be_free(self) -> None:
        message = status_of(end(Reason.EVICTED)).message or ""
        assert message.endswith("A disruption, which is free; attempt 2 starts at once")

    def test_a_suspension_waits_and_keeps_the_last_failure(self) -> None:
        failure = LastFailure(attempt=1, reason=Reason.OOM_KILLED)
        status = status_of(end(Reason.SUSPENDED, running(last_failure=failure)))
        assert condition(status, ConditionType.SUSPENDED).status == "True"
        assert (status.phase, status.reason) == (Phase.PENDING, Reason.SUSPENDED)
        assert (status.last_failure, status.next_attempt_time) == (failure, None)

    @pytest.mark.parametrize("reason", OUTCOMES)
    def test_the_decision_to_stop_is_carried_out(self, reason: Reason) -> None:
        known = running(stopping=Stopping(attempt=1, reason=reason, time=at(-1)))
        assert status_of(end(reason, known)).stopping is None

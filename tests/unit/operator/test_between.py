"""Between two attempts: what holds the next one, and what it starts with."""

from dataclasses import replace
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
    status_after,
)
from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import AttemptOutcome, ConditionType, Phase, Reason
from trainingrun_api.status import AttemptRecord, Checkpoint, Progress
from trainingrun_operator.decide import decide
from trainingrun_operator.plan import Plan, Verify

SPEC = {**COMMAND, "restart": {"backoffSeconds": 0}}


def ended(**fields: Any) -> TrainingRunStatus:
    """The status of a run whose first attempt failed."""
    return status_after(raw_job("Failed"), dead_pod(), spec=SPEC).model_copy(update=fields)


def next_step(
    *children: dict[str, Any], status: TrainingRunStatus | None = None, verified: tuple[Verify, ...] = ()
) -> Plan:
    found = situation(raw_job("Failed"), dead_pod(), *children, spec=SPEC, status=status or ended())
    return decide(replace(found, verified=frozenset(verified)))


class TestStart:
    def test_the_run_and_its_pods_are_looked_up_before_the_next_attempt(self) -> None:
        assert next_step().verify == Verify.RUN
        assert next_step(verified=(Verify.RUN,)).verify == Verify.PODS
        assert next_step(verified=(Verify.RUN, Verify.PODS)).verify is None

    def test_it_is_a_job_of_its_own_and_recorded(self) -> None:
        plan = next_step(verified=(Verify.RUN, Verify.PODS))
        assert [manifest["metadata"]["name"] for manifest in plan.create] == ["chest-2"]
        assert plan.status is not None
        assert (plan.status.attempt, plan.status.phase) == (2, Phase.PENDING)
        assert condition(plan.status, ConditionType.RESTARTING).status == "True"
        assert plan.status.next_attempt_time is None

    def test_it_runs_on_the_numbers_of_the_run_but_not_on_those_of_the_last_attempt(self) -> None:
        told = {
            "progress": Progress(epoch=3, global_step=120, last_heartbeat_time=at(-10)),
            "checkpoint": Checkpoint(step=100, resumed_from_step=40, lost_steps=5),
        }
        status = next_step(status=ended(**told), verified=(Verify.RUN, Verify.PODS)).status
        assert status is not None
        assert status.progress == Progress(epoch=3)
        assert status.checkpoint == Checkpoint(step=100)

    def test_a_job_that_could_not_be_recorded_is_followed(self) -> None:
        job = raw_job(attempt=2, uid="job-2")
        plan = next_step(job, raw_pod(attempt=2, job_uid="job-2"))
        assert (plan.verify, plan.create) == (None, ())
        assert plan.status is not None
        assert (plan.status.attempt, plan.status.phase) == (2, Phase.RUNNING)
        assert condition(plan.status, ConditionType.RESTARTING).status == "False"


class TestHeld:
    @pytest.mark.parametrize(("pause", "held"), [(0, False), (1, True), (-5, False)])
    def test_by_the_pause_after_a_failure(self, pause: int, held: bool) -> None:
        plan = next_step(status=ended(next_attempt_time=at(pause)))
        assert (plan.verify is None) == held
        assert plan.requeue_after == (pause if held else None)
        assert plan.status == (ended(next_attempt_time=at(pause)) if held else None)

    def test_by_a_pod_of_an_earlier_attempt_that_still_runs(self) -> None:
        plan = next_step(raw_pod(1, node="n2"))
        assert plan.create == ()
        assert plan.status is not None
        assert (plan.status.phase, plan.status.reason) == (Phase.PENDING, Reason.ENDING_PODS)
        assert plan.status.message == "waits for the end of pod chest-1-1-x on node n2"
        assert [(d.name, d.grace_seconds) for d in plan.delete] == [("chest-1-1-x", None)]

    def test_until_that_pod_is_given_up(self) -> None:
        meta = {"deletionTimestamp": at(-50), "deletionGracePeriodSeconds": 30}
        plan = next_step(raw_pod(1, meta=meta))
        assert (plan.delete, plan.requeue_after) == ((), 10)
        meta["deletionTimestamp"] = at(-60)
        plan = next_step(raw_pod(1, meta=meta))
        assert [(d.name, d.grace_seconds) for d in plan.delete] == [("chest-1-1-x", 0)]

    def test_no_further_than_the_numbers_of_jobs_go(self) -> None:
        last = AttemptRecord(
            number=names.MAX_ATTEMPT, outcome=AttemptOutcome.DISRUPTION, reason=Reason.EVICTED
        )
        plan = next_step(status=ended(attempt=names.MAX_ATTEMPT, attempts=[last]))
        assert plan.status is not None
        assert (plan.status.phase, plan.status.reason) == (Phase.FAILED, Reason.EVICTED)
        assert "attempt 999 was the last possible one" in (plan.status.message or "")


class TestPast:
    @pytest.mark.parametrize(("attempt", "gone"), [(6, []), (7, ["chest-1"]), (9, ["chest-1", "chest-2"])])
    def test_jobs_of_more_than_five_attempts_ago_are_deleted(self, attempt: int, gone: list[str]) -> None:
        old = [raw_job("Failed", attempt=n, uid=f"job-{n}") for n in (1, 2, attempt - 1)]
        job = raw_job(attempt=attempt, uid="job")
        status = ended(attempt=attempt)
        plan = decide(situation(*old, job, raw_pod(attempt=attempt), spec=SPEC, status=status))
        assert [deletion.name for deletion in plan.delete] == gone

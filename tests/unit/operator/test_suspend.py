"""spec.suspend ends the attempt under way and holds the next one back."""

from dataclasses import replace

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NAME,
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
from trainingrun_api.status import AttemptRecord, Budget, Restarts
from trainingrun_operator.decide import decide
from trainingrun_operator.plan import Plan, Verify

SUSPENDED = {**COMMAND, "suspend": True}
RUNNING = status_after(raw_job(), raw_pod())
BETWEEN = RUNNING.model_copy(
    update={
        "attempts": [AttemptRecord(number=1, outcome=AttemptOutcome.FAILURE, reason="UserError")],
        "attempt": 1,
        "next_attempt_time": at(30),
        "restarts": Restarts(failures=1, total=1),
        "budget": Budget(failures=1, step=7),
    }
)
"""The pause after a failure."""


def status_of(plan: Plan) -> TrainingRunStatus:
    assert plan.status is not None, plan.why
    return plan.status


def reasons(status: TrainingRunStatus) -> dict[str, tuple[str, str]]:
    """Status and reason of the conditions that tell of suspension."""
    kinds = (ConditionType.SUSPENDED, ConditionType.RUNNING, ConditionType.RESTARTING)
    found = {kind: condition(status, kind) for kind in kinds}
    return {str(kind): (told.status, told.reason) for kind, told in found.items()}


ALL_SUSPENDED = {
    "Suspended": ("True", "Suspended"),
    "Running": ("False", "Suspended"),
    "Restarting": ("False", "Suspended"),
}


def test_an_attempt_under_way_is_stopped_before_anything_is_deleted() -> None:
    plan = decide(situation(raw_job(), raw_pod(), spec=SUSPENDED, status=RUNNING))
    stopping = status_of(plan).stopping
    assert stopping
    assert (stopping.attempt, stopping.reason) == (1, Reason.SUSPENDED)
    assert plan.delete == ()


def test_its_pods_keep_their_own_grace_to_write_a_checkpoint() -> None:
    stopping = status_of(decide(situation(raw_job(), raw_pod(), spec=SUSPENDED, status=RUNNING)))
    plan = decide(situation(raw_job(), raw_pod(), spec=SUSPENDED, status=stopping))
    assert [(gone.kind, gone.name, gone.grace_seconds) for gone in plan.delete] == [
        ("Pod", f"{NAME}-1-0-x", None),
        ("Job", f"{NAME}-1", None),
    ]


def test_the_end_of_its_pods_is_free_and_says_suspended() -> None:
    stopping = status_of(decide(situation(raw_job(), raw_pod(), spec=SUSPENDED, status=RUNNING)))
    ended = status_of(decide(situation(dead_pod(code=143), spec=SUSPENDED, status=stopping)))
    assert reasons(ended) == ALL_SUSPENDED
    assert ended.phase == Phase.PENDING
    assert [record.outcome for record in ended.attempts or ()] == [AttemptOutcome.SUSPENSION]
    assert (ended.restarts or Restarts()).total == 0
    assert ended.budget is None


def test_a_job_that_just_completed_is_left_to_complete() -> None:
    plan = decide(situation(raw_job("Complete"), dead_pod(code=0), spec=SUSPENDED, status=RUNNING))
    assert status_of(plan).phase == Phase.COMPLETED


def test_an_attempt_whose_pods_have_all_ended_is_left_to_its_job() -> None:
    plan = decide(situation(raw_job(), dead_pod(code=0), spec=SUSPENDED, status=RUNNING))
    assert plan.status is None or plan.status.stopping is None


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(TrainingRunStatus(), id="created suspended"),
        pytest.param(BETWEEN, id="between two attempts"),
    ],
)
@pytest.mark.parametrize("verified", [None, Verify.RUN], ids=["by the index", "by the server"])
def test_nothing_is_started_while_suspended(status: TrainingRunStatus, verified: Verify | None) -> None:
    plan = decide(situation(spec=SUSPENDED, status=status, verified=verified))
    assert plan.create == ()
    assert plan.verify is None
    assert reasons(status_of(plan)) == ALL_SUSPENDED
    assert status_of(plan).next_attempt_time is None


def test_suspended_is_not_said_while_a_pod_is_left() -> None:
    plan = decide(situation(raw_pod(), spec=SUSPENDED, status=BETWEEN))
    assert condition(status_of(plan), ConditionType.SUSPENDED).status != "True"
    assert status_of(plan).reason == Reason.ENDING_PODS


def test_a_second_look_at_a_suspended_run_changes_nothing() -> None:
    status = status_of(decide(situation(spec=SUSPENDED, status=BETWEEN)))
    again = decide(situation(spec=SUSPENDED, status=status))
    assert (again.status, again.requeue_after) == (status, None)


def test_resuming_starts_the_next_attempt_at_once_with_the_counters_as_they_were() -> None:
    suspended = status_of(decide(situation(spec=SUSPENDED, status=BETWEEN)))
    resumed = decide(situation(spec=COMMAND, status=suspended))
    assert reasons(status_of(resumed))["Suspended"] == ("False", "Resumed")
    assert resumed.requeue_after == 0
    ready = situation(spec=COMMAND, status=status_of(resumed))
    plan = decide(replace(ready, verified=frozenset({Verify.RUN, Verify.PODS})))
    assert [child["metadata"]["name"] for child in plan.create] == [f"{NAME}-2"]
    assert status_of(plan).attempt == 2
    assert status_of(plan).restarts == BETWEEN.restarts
    assert status_of(plan).budget == BETWEEN.budget


def test_a_run_that_waits_for_admission_gives_up_its_place() -> None:
    queued = {**raw_job(), "spec": {"suspend": True}}
    spec = {**SUSPENDED, "queue": "team-a"}
    plan = decide(situation(queued, spec=spec, status=started(spec={**COMMAND, "queue": "team-a"})))
    stopping = status_of(plan).stopping
    assert stopping
    assert stopping.reason == Reason.SUSPENDED

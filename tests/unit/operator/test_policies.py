"""The decision about a run, state by state: start, settled, lost and refused."""

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    at,
    raw_job,
    raw_pod,
    situation,
    started,
    status_after,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_operator.decide import decide
from trainingrun_operator.errors import InvalidError, NameTakenError, RefusedError
from trainingrun_operator.plan import Verify
from trainingrun_operator.policies.lost import INDEX_LAG_SECONDS
from trainingrun_operator.policies.refused import PASSING_SECONDS, RETRY_SECONDS, refused

PAIR = {**COMMAND, "nodes": 2}


class TestStart:
    def test_nothing_is_created_on_the_word_of_the_index(self) -> None:
        plan = decide(situation())
        assert (plan.verify, plan.create, plan.status) == (Verify.RUN, (), None)

    @pytest.mark.parametrize(
        ("spec", "kinds"),
        [
            (COMMAND, ["Job"]),
            (PAIR, ["Service", "Job"]),
            ({**PAIR, "checkpoints": {"size": "1Gi"}}, ["PersistentVolumeClaim", "Service", "Job"]),
            ({**COMMAND, "checkpoints": {"claim": "mine"}}, ["Job"]),
        ],
    )
    def test_a_verified_run_gets_its_objects_the_job_last(
        self, spec: dict[str, object], kinds: list[str]
    ) -> None:
        plan = decide(situation(spec=spec, verified=Verify.RUN))
        assert [manifest["kind"] for manifest in plan.create] == kinds

    def test_the_record_is_complete(self) -> None:
        status = decide(
            situation(spec={**PAIR, "checkpoints": {"size": "1Gi"}}, verified=Verify.RUN, generation=4)
        ).status
        assert status is not None
        assert status.to_wire() | {"conditions": None} == {
            "phase": "Pending",
            "observedGeneration": 4,
            "conditions": None,
            "reason": "AwaitingPods",
            "message": "the pods are being created",
            "attempt": 1,
            "nodesReady": "0/2",
            "checkpointClaim": "chest-checkpoints",
            "runDirectory": "/checkpoints/chest-0f1e2d3c",
        }
        assert [c.type for c in status.conditions or ()] == [*ConditionType]

    def test_a_job_that_was_never_recorded_is_followed_and_not_created(self) -> None:
        plan = decide(situation(raw_job(), raw_pod()))
        assert (plan.verify, plan.create) == (None, ())
        assert plan.status is not None
        assert (plan.status.attempt, plan.status.phase) == (1, Phase.RUNNING)


class TestSettled:
    @pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.FAILED])
    @pytest.mark.parametrize("job", [(), (raw_job(),), (raw_job("Failed"),)])
    def test_terminal_is_terminal(self, phase: Phase, job: tuple[dict[str, object], ...]) -> None:
        plan = decide(situation(*job, status=started().model_copy(update={"phase": phase})))
        assert (plan.verify, plan.create, plan.status, plan.requeue_after) == (None, (), None, None)

    def test_a_run_that_is_being_deleted_is_left_alone(self) -> None:
        plan = decide(situation(deletionTimestamp=at(0)))
        assert (plan.verify, plan.create, plan.status) == (None, (), None)


class TestLost:
    def test_a_young_job_is_on_its_way_into_the_index(self) -> None:
        plan = decide(situation(status=started(seconds_ago=1)))
        assert (plan.verify, plan.requeue_after) == (None, INDEX_LAG_SECONDS - 1)

    def test_a_missing_job_is_looked_up_first(self) -> None:
        plan = decide(situation(status=started(seconds_ago=60)))
        assert (plan.verify, plan.status) == (Verify.JOB, None)

    def test_a_job_that_is_gone_for_certain_ends_its_attempt_and_is_not_created_again(self) -> None:
        plan = decide(situation(status=started(seconds_ago=60), verified=Verify.JOB))
        assert plan.create == ()
        assert plan.status is not None
        assert [(record.number, record.reason) for record in plan.status.attempts or ()] == [
            (1, Reason.JOB_LOST)
        ]
        assert "chest-1" in (plan.status.message or "")

    def test_pods_that_outlive_their_job_are_stopped_first(self) -> None:
        plan = decide(situation(raw_pod(), status=started(seconds_ago=60), verified=Verify.JOB))
        assert plan.status is not None
        assert plan.status.stopping is not None
        assert (plan.status.stopping.attempt, plan.status.stopping.reason) == (1, Reason.JOB_LOST)

    def test_having_verified_the_run_says_nothing_of_the_job(self) -> None:
        assert decide(situation(status=started(), verified=Verify.RUN)).verify == Verify.JOB


class TestRefused:
    @pytest.mark.parametrize(
        ("error", "phase", "reason", "again"),
        [
            (NameTakenError("taken", passing=False), Phase.FAILED, Reason.NAME_CONFLICT, None),
            (NameTakenError("going", passing=True), Phase.PENDING, Reason.CREATING, PASSING_SECONDS),
            (InvalidError(422, "spec.x"), Phase.FAILED, Reason.REJECTED, None),
            (RefusedError(403, "exceeded quota"), Phase.PENDING, Reason.REJECTED, RETRY_SECONDS),
        ],
    )
    def test_a_refusal_fails_only_what_cannot_succeed_later(
        self,
        error: NameTakenError | InvalidError | RefusedError,
        phase: Phase,
        reason: Reason,
        again: float | None,
    ) -> None:
        plan = refused(situation(verified=Verify.RUN), error)
        assert plan.status is not None
        assert (plan.status.phase, plan.status.reason, plan.requeue_after) == (phase, reason, again)
        assert (plan.status.message or "").startswith(error.message)
        assert plan.status.attempt is None
        assert (plan.status.completion_time is not None) == (phase == Phase.FAILED)


def test_a_stale_entry_of_the_index_cannot_start_a_finished_run() -> None:
    """Verification replaces what the index said, so the decision is made anew on the truth."""
    truth = TrainingRunStatus(phase=Phase.COMPLETED, attempt=1)
    plan = decide(situation(status=truth, verified=Verify.RUN))
    assert (plan.create, plan.status) == ((), None)


def test_pods_of_another_run_or_attempt_are_not_ready() -> None:
    assert status_after(raw_job(), raw_pod(run_uid="stranger")).nodes_ready == "0/1"
    assert status_after(raw_job(), raw_pod(attempt=2)).nodes_ready == "0/1"
    assert status_after(raw_job(), raw_pod()).nodes_ready == "1/1"

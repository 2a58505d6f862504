"""The decision about a run, state by state."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NOW,
    at,
    condition,
    dead_pod,
    raw_job,
    raw_pod,
    situation,
    started,
    status_after,
    unschedulable_pod,
    waiting_pod,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import Best, Budget, Checkpoint, LastFailure, Metric
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.decide import decide
from trainingrun_operator.errors import InvalidError, NameTakenError, RefusedError
from trainingrun_operator.plan import Verify
from trainingrun_operator.policies.finished import LAST_WORDS_SECONDS
from trainingrun_operator.policies.lost import INDEX_LAG_SECONDS
from trainingrun_operator.policies.refused import PASSING_SECONDS, RETRY_SECONDS, refused
from trainingrun_operator.policies.waiting import SETTLE_SECONDS
from trainingrun_operator.scrape import Scrape

PAIR = {**COMMAND, "nodes": 2}
ONCE = {"restart": {"maxFailures": 0}}
"""A run that gets one attempt."""
EVICTION = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}


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


class TestWaiting:
    @pytest.mark.parametrize(
        ("pod", "reason", "words"),
        [
            (
                unschedulable_pod("0/2 nodes are available: 2 Insufficient nvidia.com/gpu."),
                Reason.UNSCHEDULABLE,
                "Insufficient nvidia.com/gpu",
            ),
            (
                unschedulable_pod("pod has unbound immediate PersistentVolumeClaims"),
                Reason.VOLUME_UNBOUND,
                "unbound immediate",
            ),
            (unschedulable_pod('persistentvolumeclaim "xray" not found'), Reason.VOLUME_UNBOUND, "xray"),
            (
                unschedulable_pod("2 node(s) had volume node affinity conflict"),
                Reason.VOLUME_UNBOUND,
                "affinity",
            ),
            (waiting_pod(reason="ErrImagePull", message="no such host"), Reason.IMAGE_PULL, "no such host"),
            (
                waiting_pod(reason="ImagePullBackOff", message='Back-off pulling image "x"'),
                Reason.IMAGE_PULL,
                "x",
            ),
            (waiting_pod(reason="InvalidImageName", message="bad"), Reason.IMAGE_PULL, "bad"),
            (
                waiting_pod(reason="CreateContainerConfigError", message="no secret"),
                Reason.CONTAINER_CONFIG,
                "no secret",
            ),
            (waiting_pod(), Reason.PODS_STARTING, "0 of 1 pods run"),
        ],
    )
    def test_the_reason_is_named_in_the_clusters_own_words(
        self, pod: dict[str, object], reason: Reason, words: str
    ) -> None:
        status = status_after(raw_job(), pod)
        assert (status.phase, status.reason) == (Phase.PENDING, reason)
        assert words in (status.message or "")
        assert condition(status, ConditionType.RUNNING).status == "False"

    def test_the_pod_and_its_node_are_named(self) -> None:
        status = status_after(
            raw_job(), raw_pod(0), waiting_pod(1, "ErrImagePull", "gone", node="n2"), spec=PAIR
        )
        assert status.message == "pod chest-1-1-x (index 1) on node n2: ErrImagePull: gone"

    def test_many_pods_in_trouble_are_counted(self) -> None:
        pods = [unschedulable_pod("no room", index) for index in range(3)]
        status = status_after(raw_job(), *pods, spec={**COMMAND, "nodes": 3})
        assert status.message == "pod chest-1-0-x (index 0): no room (2 more pods wait for such a reason)"

    def test_a_trouble_is_news_only_on_a_pod_of_some_seconds(self) -> None:
        plan = decide(situation(raw_job(), unschedulable_pod("not yet bound", created=-1)))
        assert plan.status is not None
        assert plan.status.reason == Reason.PODS_STARTING
        assert plan.requeue_after == SETTLE_SECONDS - 1

    def test_the_error_of_a_pull_outlives_the_back_off(self) -> None:
        known = status_after(raw_job(), waiting_pod(reason="ErrImagePull", message="no such host"))
        plan = decide(
            situation(
                raw_job(), waiting_pod(reason="ImagePullBackOff", message="Back-off pulling"), status=known
            )
        )
        assert plan.status is not None
        assert plan.status.message == known.message

    def test_no_pods_yet(self) -> None:
        status = status_after(raw_job())
        assert (status.reason, status.nodes_ready) == (Reason.AWAITING_PODS, "0/1")


class TestUnderWay:
    def test_running_begins_when_all_pods_run(self) -> None:
        one = status_after(raw_job(), raw_pod(0), waiting_pod(1), spec=PAIR)
        assert (one.phase, one.nodes_ready, one.start_time) == (Phase.PENDING, "1/2", None)
        both = status_after(raw_job(), raw_pod(0), raw_pod(1, node="n2"), spec=PAIR)
        assert (both.phase, both.nodes_ready, both.start_time) == (Phase.RUNNING, "2/2", at(-54))
        assert both.message == "all pods run, on n1, n2"

    def test_a_pod_that_is_done_early_counts_as_ready(self) -> None:
        status = status_after(raw_job(), raw_pod(0), dead_pod(1, code=0), spec=PAIR)
        assert (status.phase, status.nodes_ready) == (Phase.RUNNING, "2/2")

    def test_running_stays_running_while_the_job_is_active(self) -> None:
        running = status_after(raw_job(), raw_pod(0), raw_pod(1), spec=PAIR)
        plan = decide(situation(raw_job(), raw_pod(0), dead_pod(1), spec=PAIR, status=running))
        assert plan.status is not None
        assert (plan.status.phase, plan.status.nodes_ready) == (Phase.RUNNING, "1/2")
        assert plan.status.start_time == running.start_time

    @pytest.mark.parametrize(("exit_code", "phase"), [(143, Phase.PENDING), (None, Phase.COMPLETED)])
    def test_a_failed_pod_is_noted_before_it_vanishes_and_forgotten_where_all_ends_well(
        self, exit_code: int | None, phase: Phase
    ) -> None:
        running = status_after(raw_job(), raw_pod(0), raw_pod(1), spec=PAIR)
        noted = decide(situation(raw_job(), raw_pod(0), dead_pod(1, 143), spec=PAIR, status=running)).status
        assert noted is not None
        assert (noted.phase, noted.last_failure and noted.last_failure.index) == (Phase.RUNNING, 1)
        job = raw_job("Failed" if exit_code else "Complete")
        ended = decide(situation(job, dead_pod(0, 0), spec={**PAIR, **ONCE}, status=noted)).status
        assert ended is not None
        assert (ended.phase, ended.last_failure and ended.last_failure.exit_code) == (phase, exit_code)

    def test_live_numbers_are_taken_over(self) -> None:
        running = status_after(raw_job(), raw_pod())
        scrape = Scrape(at=NOW, epoch=12, epochs_planned=50, seconds_per_epoch=2.0)
        plan = decide(replace(situation(raw_job(), raw_pod(), status=running), scrape=scrape))
        assert plan.status is not None
        assert plan.status.columns is not None
        assert plan.status.columns.to_wire() == {"epoch": "12/50", "progress": "24%", "eta": "1m16s"}

    def test_nothing_new_changes_nothing(self) -> None:
        running = status_after(raw_job(), raw_pod())
        assert decide(situation(raw_job(), raw_pod(), status=running)).status == running


TOLD = TerminationMessage(
    outcome="completed",
    epochs=9,
    total_epochs=50,
    early_stopped=True,
    monitor="val_recall",
    best=Best(name="val_recall", value="0.97", epoch=2),
    metrics=[Metric(name="val_recall", value="0.9")],
    checkpoint=Checkpoint(step=90, path="/checkpoints/x/best.ckpt"),
)


class TestFinished:
    def test_a_complete_job_completes_the_run(self) -> None:
        status = status_after(raw_job("Complete"), dead_pod(code=0))
        assert (status.phase, status.reason, status.nodes_ready) == (Phase.COMPLETED, Reason.COMPLETED, "1/1")
        assert (status.start_time, status.completion_time, status.attempt) == (at(-55), at(-10), 1)
        assert condition(status, ConditionType.RUNNING).reason == Reason.FINISHED
        assert condition(status, ConditionType.FAILED).status == "False"

    def test_a_goal_that_was_reached_leaves_no_charge(self) -> None:
        charged = TrainingRunStatus(attempt=1, budget=Budget(failures=2, step=18))
        plan = decide(situation(raw_job("Complete"), dead_pod(code=0), status=charged))
        assert plan.status is not None
        assert (plan.status.phase, plan.status.budget) == (Phase.COMPLETED, None)

    def test_the_termination_message_of_index_0_is_the_last_word(self) -> None:
        message = TOLD.encode().decode()
        status = status_after(
            raw_job("Complete"), dead_pod(0, 0, message), dead_pod(1, 0, "noise"), spec=PAIR
        )
        assert status.message == "9 epochs, stopped early, best val_recall 0.97 in epoch 2"
        assert (status.best, status.metrics, status.checkpoint) == (TOLD.best, TOLD.metrics, TOLD.checkpoint)
        assert status.columns is not None
        assert status.columns.to_wire() == {"epoch": "9/50", "metric": "val_recall=0.97", "progress": "100%"}

    @pytest.mark.parametrize(
        "said",
        [
            "noise",
            '{"outcome":"completed","best":{"name":"x","value":"n/a","epoch":1}}',
            '{"outcome":"completed","checkpoint":{"step":1,"time":"yesterday"}}',
        ],
    )
    def test_last_words_of_another_kind_keep_no_run_from_its_end(self, said: str) -> None:
        status = status_after(raw_job("Complete"), dead_pod(code=0, message=said))
        assert (status.phase, status.message) == (Phase.COMPLETED, "the pod ended with exit code 0")
        assert TrainingRunStatus.model_validate(status.to_wire()) == status

    def test_a_long_last_line_is_cut(self) -> None:
        status = status_after(raw_job("Failed"), dead_pod(message="x" * 9999))
        assert status.last_failure is not None
        assert status.last_failure.message == "x" * 4096
        assert TrainingRunStatus.model_validate(status.to_wire()) == status

    @pytest.mark.parametrize(
        ("pods", "known", "start"),
        [
            ((dead_pod(0, 0), dead_pod(1, 7)), None, at(-54)),
            ((dead_pod(0, 0), dead_pod(1, 7)), at(-40), at(-40)),
            ((dead_pod(0, 7), waiting_pod(1)), None, None),
            ((dead_pod(0, 7),), None, None),
        ],
    )
    def test_start_and_end_are_those_of_the_pods_and_the_job(
        self, pods: tuple[dict[str, object], ...], known: str | None, start: str | None
    ) -> None:
        before = started().model_copy(update={"start_time": known})
        spec = {**PAIR, **ONCE}
        plan = decide(situation(raw_job("Failed", ended=-9), *pods, spec=spec, status=before))
        assert plan.status is not None
        assert (plan.status.start_time, plan.status.completion_time) == (start, at(-9))

    @pytest.mark.parametrize("state", ["Complete", "Failed"])
    def test_the_pods_last_words_are_waited_for(self, state: str) -> None:
        plan = decide(situation(raw_job(state, ended=-1), raw_pod()))
        assert (plan.status, plan.requeue_after) == (None, 1.0)

    @pytest.mark.parametrize(
        ("pods", "noted", "told"),
        [
            ((dead_pod(0, 143), dead_pod(1, 7)), False, True),
            ((raw_pod(0), dead_pod(1, 7)), False, False),
            ((dead_pod(0, 0),), False, False),
            ((), False, False),
            ((), True, True),
            ((raw_pod(0),), True, False),
        ],
    )
    def test_a_failure_is_told_by_all_pods_that_are_left_or_was_noted(
        self, pods: tuple[dict[str, object], ...], noted: bool, told: bool
    ) -> None:
        known = LastFailure(attempt=1, reason=Reason.POD_DELETED, pod="chest-1-1-x") if noted else None
        before = started().model_copy(update={"last_failure": known})
        plan = decide(situation(raw_job("Failed", ended=-1), *pods, spec=PAIR, status=before))
        assert (plan.status is not None) == told

    @pytest.mark.parametrize(
        ("pod", "message", "phase"),
        [
            ({"meta": {"deletionTimestamp": at(-5), "deletionGracePeriodSeconds": 30}}, "", Phase.PENDING),
            ({"conditions": [EVICTION]}, "", Phase.PENDING),
            ({"conditions": [EVICTION]}, '{"outcome":"interrupted"}', Phase.PENDING),
            ({"conditions": [EVICTION]}, '{"outcome":"completed"}', Phase.COMPLETED),
            ({}, "", Phase.COMPLETED),
            ({"meta": {"deletionTimestamp": at(25), "deletionGracePeriodSeconds": 30}}, "", Phase.COMPLETED),
        ],
    )
    def test_exit_code_0_of_a_pod_that_was_told_to_go_is_no_success(
        self, pod: dict[str, Any], message: str, phase: Phase
    ) -> None:
        status = status_after(raw_job("Complete"), dead_pod(0, 0, message, **pod))
        assert status.phase == phase

    @pytest.mark.parametrize(("state", "phase"), [("Complete", Phase.COMPLETED), ("Failed", Phase.FAILED)])
    def test_they_are_not_waited_for_for_ever(self, state: str, phase: Phase) -> None:
        status = status_after(raw_job(state, ended=-LAST_WORDS_SECONDS), spec={**COMMAND, **ONCE})
        assert status.phase == phase

    def test_a_failed_job_fails_the_run_with_its_diagnosis(self) -> None:
        said = "Traceback\nValueError: boom\n"
        status = status_after(raw_job("Failed"), dead_pod(code=7, message=said), spec={**COMMAND, **ONCE})
        assert (status.phase, status.reason) == (Phase.FAILED, Reason.USER_ERROR)
        assert status.message == (
            "pod chest-1-0-x (index 0, rank 0, node n1) ended with exit code 7: ValueError: boom. "
            "Read the whole log: kubectl logs chest-1-0-x. "
            "restart.maxFailures (0) is used up: to go on from the newest checkpoint, raise it and set the "
            "annotation trainingrun.dev/retry to a new text"
        )
        assert status.last_failure is not None
        assert status.last_failure.to_wire() == {
            "attempt": 1,
            "pod": "chest-1-0-x",
            "index": 0,
            "rank": 0,
            "node": "n1",
            "exitCode": 7,
            "reason": "UserError",
            "message": "ValueError: boom",
            "advice": "read the whole log: kubectl logs chest-1-0-x",
        }

    def test_the_end_keeps_the_last_numbers_and_drops_the_estimate(self) -> None:
        running = status_after(raw_job(), raw_pod())
        scrape = Scrape(at=NOW, epoch=3, epochs_planned=9, seconds_per_epoch=1.0, metrics={"val_loss": 0.5})
        live = decide(replace(situation(raw_job(), raw_pod(), status=running), scrape=scrape)).status
        status = decide(situation(raw_job("Failed"), dead_pod(), status=live)).status
        assert status is not None
        assert status.metrics == [Metric(name="val_loss", value="0.5")]
        assert status.columns is not None
        assert (status.columns.epoch, status.columns.eta) == ("3/9", None)
        assert status.progress is not None
        assert status.progress.estimated_completion_time is None

    def test_the_job_of_an_earlier_run_of_that_name_does_not_count(self) -> None:
        plan = decide(situation(raw_job("Complete", owner_uid="another"), dead_pod(code=0)))
        assert plan.verify == Verify.RUN


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

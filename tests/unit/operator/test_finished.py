"""The end of a run: its last words, its times and its diagnosis."""

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
    waiting_pod,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import Best, Budget, Checkpoint, LastFailure, Metric
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.decide import decide
from trainingrun_operator.plan import Verify
from trainingrun_operator.policies.finished import LAST_WORDS_SECONDS
from trainingrun_operator.scrape import Scrape

PAIR = {**COMMAND, "nodes": 2}
ONCE = {"restart": {"maxFailures": 0}}
"""A run that gets one attempt."""
EVICTION = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}


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

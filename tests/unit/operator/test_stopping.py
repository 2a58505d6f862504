"""An attempt that is stopped: decided, carried out, concluded."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    at,
    dead_pod,
    raw_job,
    raw_pod,
    situation,
    status_after,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import AttemptOutcome, Phase, Reason
from trainingrun_api.status import Checkpoint, LastFailure, Stopping
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.conditions import urgent
from trainingrun_operator.decide import decide
from trainingrun_operator.plan import Plan, Verify
from trainingrun_operator.policies.stop import stop

PAIR = {**COMMAND, "nodes": 2}
LOST: dict[str, Any] = {
    "conditions": [
        {"type": "Ready", "status": "False"},
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"},
    ],
    "meta": {"deletionTimestamp": at(20), "deletionGracePeriodSeconds": 30},
}
"""A pod that the control plane took off a lost node 10 s ago."""


def running(**fields: Any) -> TrainingRunStatus:
    """The status of a run whose two pods run."""
    return status_after(raw_job(), raw_pod(0), raw_pod(1), spec=PAIR).model_copy(update=fields)


def stopped(reason: Reason = Reason.PREEMPTED, attempt: int = 1, **fields: Any) -> TrainingRunStatus:
    """The same after the decision to stop it."""
    decision = Stopping(attempt=attempt, reason=reason, message="told so", time=at(-5))
    return running(stopping=decision, **fields)


def step(*children: dict[str, Any], status: TrainingRunStatus) -> Plan:
    return decide(situation(*children, spec=PAIR, status=status))


class TestDecision:
    def test_it_is_recorded_and_nothing_else_happens(self) -> None:
        found = situation(raw_job(), raw_pod(0), raw_pod(1), spec=PAIR, status=running())
        plan = stop(found, Reason.STALLED, "rank 1 is silent")
        assert plan.status is not None
        assert plan.status.stopping == Stopping(
            attempt=1, reason=Reason.STALLED, message="rank 1 is silent", time=at(0)
        )
        assert (plan.create, plan.delete, plan.requeue_after) == ((), (), 0.0)
        assert plan.status.phase == Phase.RUNNING
        assert urgent(found.status, plan.status)

    def test_an_attempt_whose_record_was_lost_is_recorded_with_it(self) -> None:
        found = situation(raw_job(), raw_pod(0))
        plan = stop(found, Reason.SUSPENDED, "")
        assert plan.status is not None
        assert plan.status.attempt == 1

    def test_without_an_attempt_there_is_nothing_to_stop(self) -> None:
        with pytest.raises(ValueError, match="no attempt"):
            stop(situation(), Reason.SUSPENDED, "")


class TestCarriedOut:
    @pytest.mark.parametrize(("reason", "grace"), [(Reason.PREEMPTED, None), (Reason.STALLED, 5)])
    def test_the_pods_and_then_the_job_are_deleted(self, reason: Reason, grace: int | None) -> None:
        plan = step(raw_job(), raw_pod(0), raw_pod(1), status=stopped(reason))
        assert [(d.kind, d.name, d.grace_seconds) for d in plan.delete] == [
            ("Pod", "chest-1-0-x", grace),
            ("Pod", "chest-1-1-x", grace),
            ("Job", "chest-1", None),
        ]

    @pytest.mark.parametrize("state", ["", "Complete", "Failed"])
    def test_whatever_became_of_the_job_it_goes_too(self, state: str) -> None:
        found = situation(raw_job(state), dead_pod(0, 0), dead_pod(1, 0), spec=PAIR, status=stopped())
        assert decide(found).verify == Verify.JOB
        plan = decide(replace(found, verified=frozenset({Verify.JOB})))
        assert [(d.kind, d.name) for d in plan.delete] == [("Job", "chest-1")]
        assert plan.status is not None
        assert plan.status.phase != Phase.COMPLETED

    def test_pods_on_their_way_out_are_waited_for(self) -> None:
        meta = {"deletionTimestamp": at(20), "deletionGracePeriodSeconds": 30}
        plan = step(raw_pod(0, meta=meta), dead_pod(1, 143), status=stopped())
        assert (plan.delete, plan.requeue_after) == ((), 80)
        assert plan.status is not None
        assert plan.status.attempts is None

    def test_a_decision_about_an_earlier_attempt_says_nothing_of_this_one(self) -> None:
        plan = step(raw_job(), raw_pod(0), raw_pod(1), status=stopped(attempt=7))
        assert plan.delete == ()
        assert plan.status is not None
        assert plan.status.phase == Phase.RUNNING

    def test_last_words_are_kept_before_the_pod_vanishes(self) -> None:
        told = TerminationMessage(outcome="interrupted", global_step=77, checkpoint=Checkpoint(step=77))
        before = stopped()
        plan = step(dead_pod(0, 143, told.encode().decode()), raw_pod(1), status=before)
        assert plan.status is not None
        assert plan.status.checkpoint is not None
        assert plan.status.checkpoint.step == 77
        assert urgent(before, plan.status)
        ended = step(status=plan.status).status
        assert ended is not None
        assert (ended.attempts or [])[-1].to_step == 77


class TestConcluded:
    @pytest.mark.parametrize(
        ("reason", "outcome"),
        [
            (Reason.PREEMPTED, AttemptOutcome.DISRUPTION),
            (Reason.STALLED, AttemptOutcome.STALL),
            (Reason.SUSPENDED, AttemptOutcome.SUSPENSION),
            (Reason.UNSCHEDULABLE, AttemptOutcome.FATAL),
        ],
    )
    @pytest.mark.parametrize("pods", [(), (dead_pod(0, 143), dead_pod(1, 1))])
    def test_once_the_pods_ended_with_the_reason_of_the_decision(
        self, pods: tuple[dict[str, Any], ...], reason: Reason, outcome: AttemptOutcome
    ) -> None:
        status = step(*pods, status=stopped(reason)).status
        assert status is not None
        [record] = status.attempts or []
        assert (record.outcome, record.reason, record.message) == (outcome, reason, "told so")
        assert status.stopping is None

    def test_what_the_decision_knew_of_the_failure_is_kept(self) -> None:
        failure = LastFailure(attempt=1, reason=Reason.STALLED, message="m", pod="p", rank=3, node="n9")
        status = step(status=stopped(Reason.STALLED, last_failure=failure)).status
        assert status is not None
        assert status.last_failure == failure
        assert (status.attempts or [])[-1].node == "n9"


class TestNodeLost:
    def test_a_pod_that_cannot_end_stops_the_attempt_of_an_active_job(self) -> None:
        plan = step(raw_job(), raw_pod(0), raw_pod(1, node="n2", **LOST), status=running())
        assert plan.status is not None
        assert plan.status.stopping is not None
        assert plan.status.stopping.reason == Reason.NODE_LOST
        assert plan.status.last_failure is not None
        assert (plan.status.last_failure.index, plan.status.last_failure.node) == (1, "n2")

    def test_it_is_then_removed_without_its_node_and_the_others_with_their_grace(self) -> None:
        children = (raw_job(), raw_pod(0), raw_pod(1, node="n2", **LOST))
        first = step(*children, status=running())
        assert first.status is not None
        second = step(*children, status=first.status)
        assert [(d.kind, d.name, d.grace_seconds) for d in second.delete] == [
            ("Pod", "chest-1-0-x", None),
            ("Pod", "chest-1-1-x", 0),
            ("Job", "chest-1", None),
        ]
        third = step(status=first.status).status
        assert third is not None
        [record] = third.attempts or []
        assert (record.outcome, record.reason) == (AttemptOutcome.DISRUPTION, Reason.NODE_LOST)

    def test_a_pod_whose_time_is_not_up_is_waited_for(self) -> None:
        meta = {"deletionTimestamp": at(20), "deletionGracePeriodSeconds": 30}
        plan = step(raw_job(), raw_pod(0), raw_pod(1, meta=meta), status=running())
        assert plan.status is not None
        assert (plan.status.stopping, plan.requeue_after) == (None, 80)

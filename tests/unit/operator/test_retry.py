"""A new text in the retry annotation starts a Failed run anew; an old one does nothing."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NAME,
    NOW,
    at,
    condition,
    dead_pod,
    raw_job,
    run,
    situation,
    status_after,
)
from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_operator.decide import decide
from trainingrun_operator.errors import InvalidError
from trainingrun_operator.observed import MAX_RETRY_TEXT
from trainingrun_operator.plan import Plan, Standing, Verify
from trainingrun_operator.policies.refused import refused

SPEC = {**COMMAND, "restart": {"maxFailures": 0}}
CHILDREN = (raw_job("Failed"), dead_pod(code=1, message="boom"))


def annotated(text: str) -> dict[str, Any]:
    return {"annotations": {names.RETRY_ANNOTATION: text}}


def failed(text: str = "") -> TrainingRunStatus:
    """The status of a run that failed with this text in its annotation."""
    meta: dict[str, Any] = annotated(text) if text else {}
    plan = decide(situation(*CHILDREN, spec=SPEC, **meta))
    assert plan.status
    assert plan.status.phase == Phase.FAILED
    return plan.status


def looked_at(status: TrainingRunStatus, text: str, **meta: Any) -> Plan:
    return decide(situation(*CHILDREN, spec=SPEC, status=status, **annotated(text), **meta))


def test_a_new_text_makes_a_failed_run_pending_with_a_whole_budget() -> None:
    plan = looked_at(failed(), "please")
    status = plan.status
    assert status
    assert (status.phase, status.reason, status.retried) == (Phase.PENDING, Reason.RETRIED, "please")
    assert (status.budget, status.active_seconds, status.completion_time) == (None, None, None)
    assert condition(status, ConditionType.FAILED).status == "False"
    assert status.restarts == failed().restarts
    assert status.attempts == failed().attempts
    assert plan.requeue_after == 0


def test_the_next_attempt_has_the_next_number() -> None:
    pending = looked_at(failed(), "please").status
    assert pending
    ready = situation(*CHILDREN, spec=SPEC, status=pending, **annotated("please"))
    plan = decide(replace(ready, verified=frozenset({Verify.RUN, Verify.PODS})))
    assert [child["metadata"]["name"] for child in plan.create] == [f"{NAME}-2"]


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        pytest.param("", "", id="no text"),
        pytest.param("early", "early", id="a text from before the failure"),
    ],
)
def test_a_failed_run_stays_failed(seen: str, text: str) -> None:
    plan = looked_at(failed(seen), text)
    assert (plan.status, plan.create) == (None, ())


def test_a_text_works_once() -> None:
    again = failed("please")
    assert again.retried == "please"
    assert looked_at(again, "please").status is None
    assert looked_at(again, "once more").status is not None


def test_a_completed_run_ignores_it() -> None:
    completed = status_after(raw_job("Complete"), dead_pod(code=0))
    assert looked_at(completed, "please").status is None


def test_a_run_that_is_being_deleted_ignores_it() -> None:
    assert looked_at(failed(), "please", deletionTimestamp=at(0)).status is None


def test_a_run_that_never_got_its_objects_can_be_retried() -> None:
    standing = Standing(run=run(SPEC, **annotated("early")), status=TrainingRunStatus(), now=NOW)
    rejected = refused(standing, InvalidError(422, "no")).status
    assert rejected
    assert (rejected.phase, rejected.retried) == (Phase.FAILED, "early")
    status = decide(situation(spec=SPEC, status=rejected, **annotated("late"))).status
    assert status
    assert status.phase == Phase.PENDING


def test_a_long_text_is_cut_to_what_the_status_takes() -> None:
    status = looked_at(failed(), "x" * 5000).status
    assert status
    assert status.retried == "x" * MAX_RETRY_TEXT
    assert TrainingRunStatus.model_fields["retried"].metadata[0].max_length == MAX_RETRY_TEXT

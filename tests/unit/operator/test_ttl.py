"""Runs that ended are deleted after their time, and only then."""

from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NAME,
    UID,
    at,
    dead_pod,
    raw_job,
    raw_pod,
    situation,
    status_after,
)
from trainingrun_api import TrainingRunStatus, names
from trainingrun_operator.decide import decide
from trainingrun_operator.plan import Deletion, Verify

JOB = raw_job("Complete", ended=-100)
COMPLETED = status_after(JOB, dead_pod(code=0))


def spec(seconds: int | None) -> dict[str, Any]:
    return {**COMMAND, **({} if seconds is None else {"ttlSecondsAfterFinished": seconds})}


@pytest.mark.parametrize(
    ("seconds", "left"),
    [pytest.param(160, 60, id="to come"), pytest.param(101, 1, id="in a second")],
)
def test_a_run_is_kept_until_its_time_has_passed(seconds: int, left: float) -> None:
    plan = decide(situation(spec=spec(seconds), status=COMPLETED))
    assert (plan.delete, plan.verify, plan.requeue_after) == ((), None, left)


@pytest.mark.parametrize("seconds", [100, 0])
@pytest.mark.parametrize("phase", ["Completed", "Failed"])
def test_then_it_is_deleted_after_a_second_look(seconds: int, phase: str) -> None:
    status = COMPLETED.model_copy(update={"phase": phase})
    first = decide(situation(spec=spec(seconds), status=status))
    assert (first.verify, first.delete) == (Verify.RUN, ())
    sure = decide(situation(spec=spec(seconds), status=status, verified=Verify.RUN))
    assert sure.delete == (Deletion(names.KIND, NAME, UID),)
    assert sure.status is None


@pytest.mark.parametrize(
    ("fields", "status", "meta"),
    [
        pytest.param(spec(None), COMPLETED, {}, id="without a time"),
        pytest.param(spec(0), COMPLETED, {"deletionTimestamp": at(0)}, id="when it is being deleted"),
        pytest.param(spec(0), status_after(raw_job(), raw_pod()), {}, id="while it goes on"),
        pytest.param(spec(0), TrainingRunStatus(), {}, id="before it began"),
    ],
)
def test_nothing_is_deleted(fields: dict[str, Any], status: TrainingRunStatus, meta: dict[str, Any]) -> None:
    plan = decide(situation(JOB, spec=fields, status=status, verified=Verify.RUN, **meta))
    assert names.KIND not in {gone.kind for gone in plan.delete}

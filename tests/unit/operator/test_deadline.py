"""What has not started in time, or has run for its time, is stopped, and the run is Failed with the cause."""

from collections.abc import Mapping
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
    started,
    status_after,
    unschedulable_pod,
    waiting_pod,
)
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import AttemptOutcome, Phase, Reason
from trainingrun_api.status import Stopping
from trainingrun_operator.decide import decide
from trainingrun_operator.observed import Trouble
from trainingrun_operator.plan import Verify
from trainingrun_operator.policies.cost import BY_REASON

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
NO_CLAIM = 'persistentvolumeclaim "data" not found'
NO_MOUNT = Trouble("FailedMount", "MountVolume.SetUp failed for volume: timed out")
NO_QUOTA = Trouble("FailedCreate", "exceeded quota: pods, requested: pods=1, used: pods=4, limited: pods=4")
SETTLED = -40.0
"""Age of the pods' creation: their trouble is news."""


def spec(**deadlines: int) -> dict[str, Any]:
    return {**COMMAND, "deadlines": deadlines}


def job(began: float | None = None, *, suspended: bool = False) -> dict[str, Any]:
    """A Job of a minute ago that began to create pods then."""
    found = raw_job()
    began_at = {} if began is None else {"startTime": at(began)}
    return {**found, "spec": {"suspend": suspended}, "status": {**found["status"], **began_at}}


def stopping_after(
    *children: Mapping[str, Any],
    status: TrainingRunStatus,
    complaint: Trouble | None = None,
    **of: Any,
) -> Stopping | None:
    """The decision after it was asked what Events complain of."""
    found = situation(*children, status=status, spec=of, verified=Verify.COMPLAINT)
    plan = decide(replace(found, complaint=complaint))
    return plan.status.stopping if plan.status else None


@pytest.mark.parametrize(
    ("pod", "complaint", "reason", "words"),
    [
        pytest.param(
            waiting_pod(reason="ErrImagePull", message="not found", created=SETTLED),
            None,
            Reason.IMAGE_PULL,
            "ErrImagePull: not found",
            id="no image",
        ),
        pytest.param(
            unschedulable_pod(NO_GPU, created=SETTLED), None, Reason.UNSCHEDULABLE, NO_GPU, id="no room"
        ),
        pytest.param(
            unschedulable_pod(NO_CLAIM, created=SETTLED), None, Reason.VOLUME_UNBOUND, NO_CLAIM, id="no claim"
        ),
        pytest.param(waiting_pod(), NO_MOUNT, Reason.VOLUME_UNBOUND, NO_MOUNT.message, id="no mount"),
        pytest.param(None, NO_QUOTA, Reason.REJECTED, NO_QUOTA.message, id="no quota"),
        pytest.param(waiting_pod(), None, Reason.DEADLINE_EXCEEDED, "0 of 1 pods run", id="only time"),
        pytest.param(None, None, Reason.DEADLINE_EXCEEDED, "being created", id="no pod"),
    ],
)
def test_a_late_start_ends_the_run_with_what_its_pods_wait_for(
    pod: Mapping[str, Any] | None, complaint: Trouble | None, reason: Reason, words: str
) -> None:
    children = [job(-60), *([pod] if pod else [])]
    fields = spec(startupSeconds=60)
    found = stopping_after(*children, status=started(spec=fields), complaint=complaint, **fields)
    assert found
    assert found.reason == reason
    assert words in found.message
    assert "within 60 s (deadlines.startupSeconds)" in found.message
    assert BY_REASON[reason] == AttemptOutcome.FATAL


def test_events_are_read_before_a_late_start_is_called_a_matter_of_time() -> None:
    fields = spec(startupSeconds=60)
    plan = decide(situation(job(-60), spec=fields, status=started(spec=fields)))
    assert (plan.verify, plan.status) == (Verify.COMPLAINT, None)


@pytest.mark.parametrize(
    ("found", "queue", "due_in"),
    [
        pytest.param(job(-50), None, 10.0, id="from the start of the Job"),
        pytest.param(job(), None, 0.0, id="from its creation while nobody says that it began"),
        pytest.param(job(-50), "team-a", 10.0, id="in a queue from its admission"),
    ],
)
def test_the_run_is_looked_at_again_when_its_start_is_due(
    found: Mapping[str, Any], queue: str | None, due_in: float
) -> None:
    fields = {**spec(startupSeconds=60 if due_in else 61), **({"queue": queue} if queue else {})}
    plan = decide(situation(found, waiting_pod(), spec=fields, status=started(spec=fields)))
    assert plan.requeue_after == (due_in or 1.0)


@pytest.mark.parametrize(
    "found", [job(suspended=True), job()], ids=["not admitted", "admitted a moment ago, not yet begun"]
)
def test_time_in_a_queue_does_not_count(found: Mapping[str, Any]) -> None:
    fields = {**spec(startupSeconds=1), "queue": "team-a"}
    plan = decide(situation(found, spec=fields, status=started(spec=fields)))
    assert plan.status is None or plan.status.stopping is None


def test_a_run_that_started_in_time_is_not_late() -> None:
    fields = spec(startupSeconds=1)
    plan = decide(situation(job(-60), raw_pod(), spec=fields, status=started(spec=fields)))
    assert plan.status
    assert (plan.status.phase, plan.status.stopping) == (Phase.RUNNING, None)


def test_pods_that_are_gone_after_they_ran_are_not_late() -> None:
    fields = spec(startupSeconds=1)
    running = status_after(job(-60), raw_pod(), spec=fields)
    assert stopping_after(job(-60), status=running, **fields) is None


@pytest.mark.parametrize(
    ("before", "limit", "stops"),
    [
        pytest.param(0, 55, True, id="by this attempt alone"),
        pytest.param(0, 56, False, id="a second is left"),
        pytest.param(945, 1000, True, id="by all attempts"),
        pytest.param(944, 1000, False, id="a second is left after all attempts"),
    ],
)
def test_the_time_that_all_attempts_ran_is_limited(before: int, limit: int, stops: bool) -> None:
    """The pod of the builders started 55 s ago."""
    fields = spec(activeSeconds=limit)
    running = status_after(job(-60), raw_pod(), spec=fields).model_copy(update={"active_seconds": before})
    plan = decide(situation(job(-60), raw_pod(), spec=fields, status=running))
    found = plan.status.stopping if plan.status else None
    assert bool(found) is stops
    if found:
        assert found.reason == Reason.DEADLINE_EXCEEDED
        assert f"{limit} s" in found.message
    else:
        assert plan.requeue_after == 1.0


def test_an_attempt_whose_pods_have_all_ended_has_no_deadline() -> None:
    running = status_after(job(-60), raw_pod())
    plan = decide(situation(job(-60), dead_pod(code=0), spec=spec(activeSeconds=1), status=running))
    assert plan.status is None or plan.status.stopping is None


def test_a_run_without_limits_is_not_looked_at_again_for_one() -> None:
    running = status_after(job(-60), raw_pod())
    assert decide(situation(job(-60), raw_pod(), status=running)).requeue_after is None

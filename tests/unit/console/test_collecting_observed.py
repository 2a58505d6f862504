"""What the history keeps of a TrainingRun and of an Event, whichever operator wrote them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingrun_api.reasons import Phase
from trainingrun_console.collecting import events, observed
from trainingrun_console.history.records import Run

UID = "0a1b2c3d-0000-4000-8000-000000000000"
TIME = "2026-01-02T03:04:05Z"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
META = {"name": "chest", "namespace": "team", "uid": UID, "creationTimestamp": TIME}


def raw(status: Any = None, training: Any = None, **spec: Any) -> dict[str, Any]:
    training = {"task": "classification", "monitor": "val_recall", "maxEpochs": 50, **(training or {})}
    return {"metadata": META, "spec": {"training": training, **spec}, "status": status or {}}


def run(status: Any = None, training: Any = None, **spec: Any) -> Run:
    return observed.run_of(raw(status, training, **spec))


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({}, Phase.PENDING),
        ({"phase": "Pending"}, Phase.PENDING),
        ({"phase": "Running"}, Phase.RUNNING),
        ({"phase": "Completed"}, Phase.COMPLETED),
        ({"phase": "Failed"}, Phase.FAILED),
        ({"phase": "Hibernating"}, Phase.PENDING),
        ({"phase": None}, Phase.PENDING),
        ({"phase": ["Running"]}, Phase.PENDING),
    ],
)
def test_a_phase_that_nobody_knows_is_pending(status: Any, phase: Phase) -> None:
    assert run(status).phase == phase


@pytest.mark.parametrize(
    ("status", "field", "value"),
    [
        ({"startTime": TIME}, "started_at", AT),
        ({"startTime": "2026-01-02T04:04:05+01:00"}, "started_at", AT),
        ({"completionTime": TIME}, "completed_at", AT),
        ({"completionTime": "yesterday"}, "completed_at", None),
        ({"attempt": 3}, "attempt", 3),
        ({"attempt": True}, "attempt", None),
        ({"restarts": {"failures": 1, "stalls": 1, "total": 2}}, "restarts", 2),
        ({"restarts": 7}, "restarts", 0),
        ({"progress": {"epoch": 12}}, "epoch", 12),
        ({"progress": {"epoch": -1}}, "epoch", None),
        ({"progress": {"epoch": 10**30}}, "epoch", None),
        ({"progress": {"totalEpochs": 40}}, "total_epochs", 40),
        ({"progress": {}}, "total_epochs", 50),
        ({"progress": {"percent": 24}}, "percent", 24),
        ({"progress": {"estimatedCompletionTime": TIME}}, "estimated_completion_time", AT),
        ({"metrics": [{"name": "val_recall", "value": "0.9"}]}, "monitor_value", 0.9),
        ({"metrics": [{"name": "val_recall", "value": "nan"}]}, "monitor_value", None),
        ({"metrics": [7, {"value": "1"}, {"name": "val_recall", "value": 0.5}]}, "monitor_value", 0.5),
        ({"metrics": {"val_recall": "0.9"}}, "monitor_value", None),
        ({"best": {"name": "val_recall", "value": "0.95", "epoch": 7}}, "best_value", 0.95),
        ({"best": {"name": "val_recall", "value": "0.95", "epoch": 7}}, "best_epoch", 7),
        ({"best": {"name": "val_loss", "value": "0.1", "epoch": 7}}, "best_epoch", None),
        ({"best": {"name": "val_recall", "value": "inf", "epoch": 7}}, "best_value", None),
        ({"reason": "OOMKilled"}, "reason", "OOMKilled"),
        ({"message": "a\0b"}, "message", "ab"),
    ],
)
def test_each_field_is_read_by_itself(status: dict[str, Any], field: str, value: object) -> None:
    assert getattr(run(status), field) == value


@pytest.mark.parametrize(
    ("database", "mode", "client_id", "round_id"),
    [
        (None, "centralized", None, None),
        ({}, "centralized", None, None),
        ({"clientId": "north"}, "federated", "north", None),
        ({"clientId": 3}, "federated", "3", None),
        ({"clientId": "north", "roundId": 2}, "federated", "north", 2),
    ],
)
def test_a_client_or_a_round_makes_a_run_federated(
    database: Any, mode: str, client_id: str | None, round_id: int | None
) -> None:
    found = run(training={"database": database})
    assert (found.training_mode, found.client_id, found.round_id) == (mode, client_id, round_id)


def test_a_run_is_known_by_its_name_and_uid_and_keeps_its_object_without_its_managers() -> None:
    content = raw({"phase": "Running"}, project="chest")
    managed = {**content, "metadata": {**META, "managedFields": [{"manager": "kubectl"}]}}
    found = observed.run_of(managed)
    assert (found.run_id, found.namespace, found.uid) == ("chest-0a1b2c3d", "team", UID)
    assert (found.created_at, found.project, found.task) == (AT, "chest", "classification")
    assert found.object == {"metadata": META, "spec": content["spec"], "status": {"phase": "Running"}}


def test_a_program_of_its_own_has_no_task_and_monitors_what_it_tells_as_best() -> None:
    status = {
        "best": {"name": "val_dice", "value": "0.5", "epoch": 1},
        "metrics": [{"name": "val_dice", "value": "0.4"}],
    }
    found = observed.run_of({"metadata": META, "spec": {"command": ["python"]}, "status": status})
    assert (found.task, found.monitor, found.monitor_value, found.best_value) == (None, "val_dice", 0.4, 0.5)


def test_attempts_come_in_order_and_odd_ones_not_at_all() -> None:
    record = {
        "number": 1,
        "outcome": "Failure",
        "reason": "OOMKilled",
        "pod": "chest-1-0",
        "startTime": TIME,
        "endTime": TIME,
        "fromStep": 0,
        "toStep": 70,
    }
    found = observed.attempts_of(raw({"attempts": [{"number": 2}, record, {"outcome": "x"}, "odd", None]}))
    assert [attempt.number for attempt in found] == [1, 2]
    assert (found[0].outcome, found[0].reason, found[0].pod) == ("Failure", "OOMKilled", "chest-1-0")
    assert (found[0].started_at, found[0].to_step, found[0].lost_steps) == (AT, 70, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([
    "phase", "reason", "message", "attempt", "attempts", "number", "restarts", "total", "progress", "epoch",
    "totalEpochs", "metrics", "name", "value", "best", "startTime", "training", "database", "clientId",
    "monitor", "task", "project", "series", "count", "type",
])  # fmt: skip
ODD = st.recursive(
    JSON, lambda inner: st.dictionaries(KEYS, inner, max_size=6) | st.lists(inner, max_size=3), max_leaves=20
)


@given(ODD, ODD, ODD)
def test_nothing_odd_is_an_error(meta: Any, spec: Any, status: Any) -> None:
    content = {"metadata": meta, "spec": spec, "status": status}
    assert isinstance(observed.run_of(content), Run)
    observed.attempts_of(content)
    events.event_of({**content, "involvedObject": meta, "series": status})
    events.subject({"involvedObject": meta})


@pytest.mark.parametrize(
    ("told", "time", "count"),
    [
        ({"lastTimestamp": TIME, "count": 4}, AT, 4),
        ({"eventTime": "2026-01-02T03:04:05.000000Z"}, AT, 1),
        ({"series": {"count": 9, "lastObservedTime": TIME}, "eventTime": "2026-01-01T00:00:00Z"}, AT, 9),
        ({"lastTimestamp": None, "count": None}, AT, 1),
    ],
)
def test_an_event_has_the_time_and_count_of_its_last_occurrence(
    told: dict[str, Any], time: datetime, count: int
) -> None:
    event = events.event_of(
        {
            "metadata": {"uid": "e1", "creationTimestamp": TIME},
            "involvedObject": {"kind": "TrainingRun", "name": "chest", "uid": UID},
            "type": "Warning",
            "reason": "Restarting",
            "message": "again",
            **told,
        }
    )
    assert event is not None
    assert (event.uid, event.time, event.count, event.type, event.reason) == (
        "e1",
        time,
        count,
        "Warning",
        "Restarting",
    )
    assert events.subject({"involvedObject": {"name": "chest", "uid": UID}}) == "chest-0a1b2c3d"


def test_an_event_without_a_uid_is_none() -> None:
    assert events.event_of({"metadata": {}}) is None

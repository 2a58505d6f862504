"""The story of a run in Events: what a person should know, and nothing that moves by itself."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import NOW, at, run
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import AttemptOutcome, Phase, Reason
from trainingrun_api.status import AttemptRecord, Checkpoint, Progress, Stopping
from trainingrun_operator import events

Words = tuple[tuple[str, str], ...]


def status(*conditions: tuple[str, str, str], **fields: Any) -> TrainingRunStatus:
    """A status with these conditions: type, status and reason; their message is `because`."""
    found = [
        {"type": kind, "status": value, "reason": reason, "message": "because", "lastTransitionTime": at(0)}
        for kind, value, reason in conditions
    ]
    return TrainingRunStatus.model_validate({"conditions": found, "message": "because", **fields})


def ended(number: int) -> list[AttemptRecord]:
    return [AttemptRecord(number=number, outcome=AttemptOutcome.FAILURE, reason="Killed")]


def stopping(reason: str) -> Stopping:
    return Stopping(attempt=2, reason=reason, message="rank 1 is silent", time=at(0))


PENDING = status(("Running", "False", "AwaitingPods"), phase=Phase.PENDING, reason="AwaitingPods")
RUNNING = status(("Running", "True", "PodsRunning"), phase=Phase.RUNNING, reason="PodsRunning", attempt=2)
SUSPENDED = status(("Suspended", "True", "Suspended"))
NO_QUOTA = status(("QuotaReserved", "False", "Queued"), reason="Queued")
FRESH = {
    reason: status(("CheckpointFresh", "True" if reason == "Saved" else "False", reason))
    for reason in ("Saved", "VolumeFull", "CheckpointDamaged", "Outdated")
}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (status(), PENDING, ()),
        (PENDING, status(reason="Unschedulable"), (("Warning", "Unschedulable"),)),
        (status(reason="Unschedulable"), status(reason="Unschedulable"), ()),
        (status(reason="Unschedulable"), RUNNING, (("Normal", "Started"),)),
        (RUNNING, RUNNING.model_copy(update={"progress": Progress(epoch=3), "goodput": "0.9"}), ()),
        (RUNNING, status(phase=Phase.COMPLETED, reason="Completed"), (("Normal", "Completed"),)),
        (RUNNING, status(phase=Phase.FAILED, reason="OOMKilled"), (("Warning", "Failed"),)),
        (status(phase=Phase.FAILED, reason="OOMKilled"), status(phase=Phase.FAILED, reason="OOMKilled"), ()),
        (
            RUNNING,
            status(("Restarting", "True", "Killed"), attempts=ended(2), reason="BackOff"),
            (("Warning", "Restarting"),),
        ),
        (
            status(("Restarting", "True", "Killed"), attempts=ended(1)),
            status(("Restarting", "True", "Killed"), attempts=ended(2)),
            (("Warning", "Restarting"),),
        ),
        (
            RUNNING,
            status(("Restarting", "False", "Killed"), attempts=ended(2), phase=Phase.FAILED, reason="Killed"),
            (("Warning", "Failed"),),
        ),
        (RUNNING, RUNNING.model_copy(update={"stopping": stopping("Stalled")}), (("Warning", "Stalled"),)),
        (RUNNING, RUNNING.model_copy(update={"stopping": stopping("Suspended")}), ()),
        (RUNNING, SUSPENDED, (("Normal", "Suspended"),)),
        (SUSPENDED, SUSPENDED, ()),
        (SUSPENDED, status(("Suspended", "False", "Resumed")), (("Normal", "Resumed"),)),
        (status(), status(("Suspended", "False", "NotYet")), ()),
        (
            status(("Failed", "True", "OOMKilled"), phase=Phase.FAILED),
            status(("Failed", "False", "Retried"), phase=Phase.PENDING),
            (("Normal", "Retried"),),
        ),
        (status(("Failed", "Unknown", "NotYet")), status(("Failed", "False", "Completed")), ()),
        (PENDING, NO_QUOTA, (("Normal", "Queued"),)),
        (NO_QUOTA, status(("QuotaReserved", "True", "Admitted")), (("Normal", "Admitted"),)),
        (status(), status(("QuotaReserved", "True", "NoQueue")), ()),
        (
            PENDING,
            status(reason="WaitingForProject", waitingFor="first"),
            (("Normal", "WaitingForProject"),),
        ),
        (
            status(reason="WaitingForProject", waitingFor="first"),
            status(reason="WaitingForProject", waitingFor="second"),
            (("Normal", "WaitingForProject"),),
        ),
        (FRESH["Saved"], FRESH["VolumeFull"], (("Warning", "VolumeFull"),)),
        (FRESH["VolumeFull"], FRESH["Saved"], (("Normal", "Saved"),)),
        (status(), FRESH["CheckpointDamaged"], (("Warning", "CheckpointDamaged"),)),
        (FRESH["CheckpointDamaged"], FRESH["Saved"], ()),
        (FRESH["Saved"], FRESH["Outdated"], ()),
        (
            status(checkpoint=Checkpoint(step=90)),
            status(checkpoint=Checkpoint(step=90, resumed_from_step=90, lost_steps=7)),
            (("Normal", "Continued"),),
        ),
        (
            status(checkpoint=Checkpoint(step=90, resumed_from_step=90)),
            status(checkpoint=Checkpoint(step=120, resumed_from_step=90)),
            (),
        ),
        (status(), status(checkpoint=Checkpoint(step=5, resumed_from_step=0)), ()),
        (
            SUSPENDED,
            status(("Running", "True", "PodsRunning"), ("CheckpointFresh", "False", "VolumeFull"), attempt=2),
            (("Normal", "Started"), ("Warning", "VolumeFull")),
        ),
    ],
)
def test_only_what_a_person_should_know_is_told(
    old: TrainingRunStatus, new: TrainingRunStatus, told: Words
) -> None:
    assert tuple((event.type, event.reason) for event in events.news(old, new)) == told


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        (PENDING, RUNNING, "attempt 2: because"),
        (
            RUNNING,
            RUNNING.model_copy(update={"stopping": stopping("Stalled")}),
            "attempt 2: rank 1 is silent",
        ),
        (RUNNING, status(phase=Phase.FAILED, reason="OOMKilled"), "OOMKilled: because"),
        (
            status(),
            status(attempt=2, checkpoint=Checkpoint(step=90, resumed_from_step=90, lost_steps=7)),
            "attempt 2 went on from step 90; 7 steps are repeated",
        ),
    ],
)
def test_a_note_tells_who_and_why(old: TrainingRunStatus, new: TrainingRunStatus, note: str) -> None:
    assert [event.note for event in events.news(old, new)] == [note]


def test_a_long_note_is_cut_at_a_character() -> None:
    body = events.manifest(events.Event("Warning", "Failed", "ä" * 2000), run(), NOW, "host")
    assert body["note"] == "ä" * (events.NOTE_LIMIT // 2)
    assert body["eventTime"] == "2026-01-02T03:04:05.000000Z"


def test_the_same_news_has_the_same_name_and_other_news_another() -> None:
    event = events.Event("Warning", Reason.VOLUME_FULL, "because")

    def name(seconds: int, reason: str = event.reason) -> str:
        found: str = events.manifest(
            events.Event("Warning", reason, "because"), run(), NOW + timedelta(seconds=seconds), "host"
        )["metadata"]["name"]
        return found

    assert name(0) == name(0)
    assert len({name(0), name(1), name(0, Reason.STALLED)}) == 3

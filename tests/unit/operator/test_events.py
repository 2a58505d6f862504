"""Only what a person should know becomes an Event."""

import pytest

from tests.unit.operator.builders import NOW, run
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import Phase, Reason
from trainingrun_operator import events


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ((None, None), (Phase.PENDING, Reason.AWAITING_PODS), None),
        ((Phase.PENDING, Reason.AWAITING_PODS), (Phase.PENDING, Reason.UNSCHEDULABLE), "Warning"),
        ((Phase.PENDING, Reason.UNSCHEDULABLE), (Phase.PENDING, Reason.UNSCHEDULABLE), None),
        ((Phase.PENDING, Reason.UNSCHEDULABLE), (Phase.RUNNING, Reason.PODS_RUNNING), None),
        ((Phase.RUNNING, Reason.PODS_RUNNING), (Phase.COMPLETED, Reason.COMPLETED), "Normal"),
        ((Phase.RUNNING, Reason.PODS_RUNNING), (Phase.FAILED, Reason.OOM_KILLED), "Warning"),
    ],
)
def test_only_what_a_person_should_know_is_told(
    old: tuple[Phase | None, Reason | None], new: tuple[Phase, Reason], kind: str | None
) -> None:
    before, after = (TrainingRunStatus(phase=phase, reason=reason) for phase, reason in (old, new))
    event = events.news(before, after)
    assert (event.type if event else None) == kind


def test_a_long_note_is_cut_at_a_character() -> None:
    body = events.manifest(events.Event("Warning", "Failed", "ä" * 2000), run(), NOW, "host")
    assert body["note"] == "ä" * (events.NOTE_LIMIT // 2)
    assert body["eventTime"] == "2026-01-02T03:04:05.000000Z"

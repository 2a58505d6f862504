"""Kubernetes Events about TrainingRuns -> what the history keeps of them. Pure."""

from collections.abc import Mapping
from typing import Any

from trainingrun_console.collecting.leniently import mapping, moment, text, whole
from trainingrun_console.collecting.observed import BEGINNING, run_id
from trainingrun_console.history.records import Event


def subject(raw: Mapping[str, Any]) -> str:
    """run_id of the run that the Event is about."""
    return run_id(mapping(raw, "involvedObject"))


def event_of(raw: Mapping[str, Any]) -> Event | None:
    """None without a UID, by which it is known when it comes again with another count."""
    uid = text(raw, "metadata", "uid")
    if uid is None:
        return None
    times = (
        moment(raw, "series", "lastObservedTime"),
        moment(raw, "lastTimestamp"),
        moment(raw, "eventTime"),
        moment(raw, "firstTimestamp"),
        moment(raw, "metadata", "creationTimestamp"),
    )
    return Event(
        uid=uid,
        time=next(filter(None, times), BEGINNING),
        type=text(raw, "type") or "Normal",
        reason=text(raw, "reason") or "",
        message=text(raw, "message") or "",
        count=whole(raw, "series", "count") or whole(raw, "count") or 1,
    )

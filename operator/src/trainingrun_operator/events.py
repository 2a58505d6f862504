"""Kubernetes Events: news for `kubectl describe`, derived from what changed in the status. Pure.

Events age out and may be lost; the truth is in the conditions. So only transitions that a person would want
to be told of become one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import Phase
from trainingrun_operator.conditions import PROBLEMS, ended
from trainingrun_operator.observed import Run

NOTE_LIMIT = 1024
"""Longest note that the API takes, in bytes; https://kubernetes.io/docs/reference/kubernetes-api/ (Event
v1)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of news about a run."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def news(old: TrainingRunStatus, new: TrainingRunStatus) -> Event | None:
    """What to tell after a status was written."""
    if new.reason is None or new.reason == old.reason:
        return None
    if ended(new) or new.reason in PROBLEMS:
        kind: Literal["Normal", "Warning"] = "Normal" if new.phase == Phase.COMPLETED else "Warning"
        return Event(kind, new.reason, new.message or "")
    return None


def manifest(event: Event, run: Run, now: datetime, reporter: str) -> dict[str, Any]:
    """The events.k8s.io/v1 object; its name makes a repeated post of the same news harmless."""
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{run.name}.{run.uid[:8]}.{event.reason.lower()}.{now.strftime('%Y%m%d%H%M%S')}",
            "namespace": run.namespace,
        },
        "eventTime": moment,
        "type": event.type,
        "reason": event.reason,
        "action": "Reconcile",
        "note": event.note.encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": run.namespace,
            "name": run.name,
            "uid": run.uid,
        },
        "reportingController": names.FIELD_MANAGER,
        "reportingInstance": reporter,
    }

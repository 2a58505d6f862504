"""Kubernetes Events: news for `kubectl describe`, derived from what changed in the status. Pure.

Events age out and may be lost; the truth is in the conditions. So only transitions that a person would want
to be told of become one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from trainingrun_api import TrainingRunStatus, names
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_api.status import Condition
from trainingrun_operator.conditions import PROBLEMS, ended
from trainingrun_operator.observed import Run

AWAITED = frozenset({Reason.QUEUED, Reason.WAITING_FOR_PROJECT})
"""Reasons for waiting that are as they should be."""
NOTE_LIMIT = 1024
"""Longest note that the API takes, in bytes; https://kubernetes.io/docs/reference/kubernetes-api/ (Event
v1)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of news about a run."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def news(old: TrainingRunStatus, new: TrainingRunStatus) -> tuple[Event, ...]:
    """What to tell after a status was written, in the order of the story."""
    return tuple(event for tell in TELLERS for event in tell(old, new))


def _stalled(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    decision = new.stopping
    if decision and decision != old.stopping and decision.reason == Reason.STALLED:
        yield Event("Warning", Reason.STALLED, f"attempt {decision.attempt}: {decision.message}")


def _unreachable(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    before, after = (_condition(status, ConditionType.PROGRESSING) for status in (old, new))
    if after and after.reason == Reason.UNREACHABLE and not (before and before.reason == after.reason):
        yield Event("Warning", Reason.UNREACHABLE, after.message)


def _restarting(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    """An attempt ended and another one follows; how the last one ended is told with the run's end."""
    if _ended_attempts(old) < _ended_attempts(new) and not ended(new):
        found = _condition(new, ConditionType.RESTARTING)
        if found and found.status == "True":
            yield Event("Warning", ConditionType.RESTARTING, found.message)


def _suspended(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    if _turned(old, new, ConditionType.SUSPENDED, "True"):
        yield Event("Normal", Reason.SUSPENDED, _message(new, ConditionType.SUSPENDED))
    elif _holds(old, ConditionType.SUSPENDED, "True") and _holds(new, ConditionType.SUSPENDED, "False"):
        yield Event("Normal", Reason.RESUMED, "the run goes on")


def _retried(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    if _holds(old, ConditionType.FAILED, "True") and _holds(new, ConditionType.FAILED, "False"):
        yield Event("Normal", Reason.RETRIED, _message(new, ConditionType.FAILED))


def _waiting(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    if (new.reason == old.reason and new.waiting_for == old.waiting_for) or ended(new):
        return
    if new.reason in PROBLEMS:
        yield Event("Warning", new.reason or "", new.message or "")
    elif new.reason in AWAITED:
        yield Event("Normal", new.reason or "", new.message or "")


def _admitted(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    found = _condition(new, ConditionType.QUOTA_RESERVED)
    if found and found.reason == Reason.ADMITTED and _turned(old, new, ConditionType.QUOTA_RESERVED, "True"):
        yield Event("Normal", Reason.ADMITTED, found.message)


def _started(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    if _turned(old, new, ConditionType.RUNNING, "True"):
        yield Event("Normal", "Started", f"attempt {new.attempt}: {_message(new, ConditionType.RUNNING)}")


def _continued(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    before = old.checkpoint.resumed_from_step if old.checkpoint else None
    if new.checkpoint and new.checkpoint.resumed_from_step and before is None:
        lost = new.checkpoint.lost_steps
        again = f"; {lost} steps are repeated" if lost else ""
        yield Event(
            "Normal",
            "Continued",
            f"attempt {new.attempt} went on from step {new.checkpoint.resumed_from_step}{again}",
        )


def _checkpoint(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    before, after = (_condition(status, ConditionType.CHECKPOINT_FRESH) for status in (old, new))
    if after is None or (before and before.reason == after.reason):
        return
    if after.reason in (Reason.CHECKPOINT_DAMAGED, Reason.VOLUME_FULL):
        yield Event("Warning", after.reason, after.message)
    elif before and before.reason == Reason.VOLUME_FULL and after.reason == Reason.SAVED:
        yield Event("Normal", Reason.SAVED, f"checkpoints can be written again: {after.message}")


def _finished(old: TrainingRunStatus, new: TrainingRunStatus) -> Iterator[Event]:
    if ended(new) and not ended(old):
        if new.phase == Phase.COMPLETED:
            yield Event("Normal", Phase.COMPLETED, new.message or "")
        else:
            yield Event("Warning", Phase.FAILED, f"{new.reason}: {new.message}")


TELLERS = (
    _stalled, _unreachable, _restarting, _suspended, _retried, _waiting, _admitted, _started, _continued,
    _checkpoint, _finished,
)  # fmt: skip


def manifest(event: Event, run: Run, now: datetime, reporter: str) -> dict[str, Any]:
    """The events.k8s.io/v1 object; its name makes a repeated post of the same news harmless.

    `now` differs between events of one write. `kubectl describe` lists events of this kind by name, so the
    time comes before the reason.
    """
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{run.name}.{run.uid[:8]}.{now.strftime('%Y%m%d%H%M%S%f')}.{event.reason.lower()}",
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


def _ended_attempts(status: TrainingRunStatus) -> int:
    """Number of the last attempt that ended."""
    return status.attempts[-1].number if status.attempts else 0


def _condition(status: TrainingRunStatus, kind: ConditionType) -> Condition | None:
    return next((found for found in status.conditions or () if found.type == kind), None)


def _message(status: TrainingRunStatus, kind: ConditionType) -> str:
    found = _condition(status, kind)
    return found.message if found else ""


def _holds(status: TrainingRunStatus, kind: ConditionType, value: str) -> bool:
    found = _condition(status, kind)
    return found is not None and found.status == value


def _turned(old: TrainingRunStatus, new: TrainingRunStatus, kind: ConditionType, value: str) -> bool:
    return _holds(new, kind, value) and not _holds(old, kind, value)

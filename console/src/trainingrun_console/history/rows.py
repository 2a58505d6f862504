"""Records to rows and back: plain data, no database."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from trainingrun_api.reasons import Phase
from trainingrun_console.history.columns import finite, number
from trainingrun_console.history.pages import LARGEST
from trainingrun_console.history.records import Artifact, Attempt, Epoch, Event, Run
from trainingrun_console.history.tables import MEASURES, SCORES

Row = dict[str, Any]

SEARCHED = 2000
"""Characters of the text that is searched."""
APART = ("namespace", "name", "phase", "artifacts", "provenance", "object", "sparkline", "updated_at")
"""Fields of a run that are no columns of its row to be written under their own names."""
SAME = [field.name for field in fields(Run) if field.name not in APART]


def of_run(run: Run) -> Row:
    """Its row of `run`, without what the store makes."""
    return {
        **{name: getattr(run, name) for name in SAME},
        "run_description": f"{run.namespace}/{run.name}",
        "status": run.phase.lower(),
        "total_epochs_run": run.epoch,
        "object_namespace": run.namespace,
        "object_name": run.name,
        "object_phase": str(run.phase),
        "searchable": searchable(run.name, run.project or "", run.reason, run.message),
    }


def of_detail(run: Run) -> Row:
    """Its row of `run_detail`; None for what it does not tell."""
    artifacts = [{"path": each.path, "size": each.size} for each in run.artifacts]
    return {
        "run_id": run.run_id,
        "artifacts": artifacts or None,
        "provenance": run.provenance or None,
        "object": run.object or None,
    }


def searchable(*texts: str) -> str:
    """What a search looks through, whatever the case."""
    return "\n".join(texts).casefold()[:SEARCHED]


def run(row: Mapping[str, Any], detail: Mapping[str, Any]) -> Run:
    """A run. What only a trainer told of has an uid of 8 digits, and no namespace where it named none."""
    known = {name: row[name] for name in SAME}
    return Run(
        **known
        | {
            "uid": row["uid"] or row["run_id"].rpartition("-")[2],
            "reason": row["reason"] or "",
            "message": row["message"] or "",
            "restarts": row["restarts"] or 0,
            "epoch": row["total_epochs_run"] if row["object_phase"] is None else row["epoch"],
        },
        namespace=row["namespace"] or "",
        name=row["name"],
        phase=Phase(row["phase"]),
        artifacts=tuple(Artifact(each["path"], each["size"]) for each in detail.get("artifacts") or ()),
        provenance=detail.get("provenance"),
        object=detail.get("object") or {},
        sparkline=tuple(row["sparkline"] or ()),
        updated_at=row["updated_at"],
    )


def of_epochs(epochs: Sequence[Epoch]) -> dict[int, Row]:
    """Rows of `run_metrics` without run_id, by number; the later one of two of a number. What has no number
    that a database could hold is left out."""
    found = {}
    for epoch in epochs:
        place = epoch.get("epoch")
        if isinstance(place, int) and not isinstance(place, bool) and 1 <= place <= LARGEST:
            found[place] = _epoch_row(epoch)
    return found


def _epoch_row(epoch: Epoch) -> Row:
    apart = {"epoch", "time", "global_step", *MEASURES}
    return {
        "epoch": epoch["epoch"],
        "time": _time(epoch.get("time")),
        "global_step": _integer(epoch.get("global_step")),
        **{name: number(epoch.get(name)) for name in (*MEASURES, *SCORES)},
        "metrics": {name: finite(value) for name, value in epoch.items() if name not in apart},
    }


def epoch(row: Mapping[str, Any]) -> dict[str, Any]:
    """As it stands in metrics.json."""
    time: datetime | None = row["time"]
    return {
        "epoch": row["epoch"],
        "global_step": row["global_step"],
        **(row["metrics"] or {}),
        **{name: row[name] for name in MEASURES},
        "time": time and time.isoformat().replace("+00:00", "Z"),
    }


def of_attempt(run_id: str, attempt: Attempt) -> Row:
    """Its row of `run_attempt`."""
    return {"run_id": run_id, **{field.name: getattr(attempt, field.name) for field in fields(Attempt)}}


def attempt(row: Mapping[str, Any]) -> Attempt:
    """The reverse."""
    return Attempt(**{field.name: row[field.name] for field in fields(Attempt)})


def of_event(run_id: str, event: Event) -> Row:
    """Its row of `run_event`."""
    return {"run_id": run_id, **{field.name: getattr(event, field.name) for field in fields(Event)}}


def event(row: Mapping[str, Any]) -> Event:
    """The reverse."""
    return Event(**{field.name: row[field.name] for field in fields(Event)})


def _time(value: Any) -> datetime | None:
    """In UTC, so that what is stored can be compared with what comes in."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _integer(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and abs(found) <= LARGEST else None

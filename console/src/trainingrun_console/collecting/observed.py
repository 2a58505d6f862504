"""A TrainingRun as the API server sent it -> what the history keeps of it. Pure.

The operator may be older or newer than this service, so every field is read by itself: what has an unexpected
form is missing, and nothing else is.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from trainingrun_api.reasons import Phase
from trainingrun_console.collecting.leniently import (
    inside,
    items,
    mapping,
    moment,
    number,
    storable,
    text,
    whole,
)
from trainingrun_console.history.records import Attempt, Run

CENTRALIZED, FEDERATED = "centralized", "federated"
UID_DIGITS = 8
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Of an object without a time, which no API server sends."""


def run_id(meta: Mapping[str, Any]) -> str:
    """Of an object's metadata, or of an object reference."""
    return f"{text(meta, 'name') or ''}-{(text(meta, 'uid') or '')[:UID_DIGITS]}"


def run_of(raw: Mapping[str, Any]) -> Run:
    """The run as it is now. What only logs and run directories tell, as its results, is left empty."""
    meta, spec, status = mapping(raw, "metadata"), mapping(raw, "spec"), mapping(raw, "status")
    training = mapping(spec, "training")
    client_id, round_id = context(training)
    best = text(status, "best", "name")
    monitor = text(training, "monitor") or best
    return Run(
        run_id=run_id(meta),
        namespace=text(meta, "namespace") or "",
        name=text(meta, "name") or "",
        uid=text(meta, "uid") or "",
        created_at=moment(meta, "creationTimestamp") or BEGINNING,
        phase=_phase(text(status, "phase")),
        reason=text(status, "reason") or "",
        message=text(status, "message") or "",
        project=text(spec, "project"),
        task=text(training, "task"),
        training_mode=mode(client_id, round_id),
        client_id=client_id,
        round_id=round_id,
        started_at=moment(status, "startTime"),
        completed_at=moment(status, "completionTime"),
        attempt=whole(status, "attempt"),
        restarts=whole(status, "restarts", "total") or 0,
        epoch=whole(status, "progress", "epoch"),
        total_epochs=whole(status, "progress", "totalEpochs") or whole(training, "maxEpochs"),
        percent=whole(status, "progress", "percent"),
        estimated_completion_time=moment(status, "progress", "estimatedCompletionTime"),
        monitor=monitor,
        monitor_value=metrics(status).get(monitor) if monitor else None,
        best_value=number(status, "best", "value") if best == monitor else None,
        best_epoch=whole(status, "best", "epoch") if best == monitor else None,
        object={
            "metadata": storable({name: value for name, value in meta.items() if name != "managedFields"}),
            "spec": storable(spec),
            "status": storable(status),
        },
    )


def attempts_of(raw: Mapping[str, Any]) -> list[Attempt]:
    """Those that status still tells of, oldest first."""
    found = {}
    for each in items(raw, "status", "attempts"):
        if attempt := whole(each, "number"):
            found[attempt] = Attempt(
                number=attempt,
                outcome=text(each, "outcome") or "",
                reason=text(each, "reason") or "",
                message=text(each, "message") or "",
                pod=text(each, "pod"),
                node=text(each, "node"),
                started_at=moment(each, "startTime"),
                ended_at=moment(each, "endTime"),
                from_step=whole(each, "fromStep"),
                to_step=whole(each, "toStep"),
                lost_steps=whole(each, "lostSteps"),
            )
    return [found[number] for number in sorted(found)]


def metrics(status: Mapping[str, Any]) -> dict[str, float | None]:
    """The last value of each metric; None for what JSON has no number for."""
    return {name: number(each, "value") for each in items(status, "metrics") if (name := text(each, "name"))}


def context(training: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Client and round of a federated training, as the config of the trainer names them."""
    client = inside(training, "database", "clientId")
    known = str(client) if isinstance(client, int) and not isinstance(client, bool) else text(client)
    return known, whole(training, "database", "roundId")


def mode(client_id: str | None, round_id: int | None) -> str:
    """centralized or federated."""
    return CENTRALIZED if client_id is None and round_id is None else FEDERATED


def _phase(name: str | None) -> Phase:
    with suppress(ValueError):
        return Phase(name or "")
    return Phase.PENDING

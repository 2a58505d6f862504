"""The messages that clients are told, as JSON objects. Pure.

Durable ones each have an id by which a client goes on where it was cut off. Of passing ones only the newest
counts, so they have none. All have `event`, `run_id` and `time` (RFC 3339 or null).
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from trainingrun_api.reasons import Phase
from trainingrun_api.status import TrainingRunStatus
from trainingrun_client.epochs import SPLITS
from trainingrun_console.history.records import Attempt, Epoch, Run

Message = Mapping[str, Any]
DELETED = "Deleted"
"""Reason of a run whose TrainingRun was deleted before it ended."""
NO_SCORES = frozenset((
    "epoch", "total_epochs", "global_step", "learning_rate", "seconds", "samples_per_second", "time",
))  # fmt: skip


def training_start(run: Run) -> Message:
    """The run has begun; told again where it is retried."""
    return {
        **_head("training_start", run, run.started_at),
        "namespace": run.namespace,
        "name": run.name,
        "project": run.project,
        "task": run.task,
        "attempt": run.attempt,
        "total_epochs": run.total_epochs,
        "monitor": run.monitor,
    }


def training_mode(run: Run) -> Message:
    """Whether it is part of a federated training, and as whose."""
    return {
        **_head("training_mode", run, run.started_at),
        "mode": run.training_mode,
        "client_id": run.client_id,
        "round_id": run.round_id,
    }


def attempt_end(run: Run, attempt: Attempt) -> Message:
    """An attempt ended; the next one may repeat epochs."""
    return {
        **_head("attempt_end", run, attempt.ended_at),
        "attempt": attempt.number,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "message": attempt.message,
        "pod": attempt.pod,
        "node": attempt.node,
        "from_step": attempt.from_step,
        "to_step": attempt.to_step,
        "lost_steps": attempt.lost_steps,
    }


def epoch_end(run: Run, epoch: Epoch) -> Message:
    """An epoch is finished. Where a later attempt repeats it, it is told again as that one did it."""
    return {
        **_head("epoch_end", run, None),
        "time": epoch.get("time"),
        "epoch": epoch["epoch"],
        "total_epochs": run.total_epochs,
        "metrics": scores(epoch),
        "learning_rate": epoch.get("learning_rate"),
        "seconds": epoch.get("seconds"),
        "samples_per_second": epoch.get("samples_per_second"),
        "global_step": epoch.get("global_step"),
    }


def round_metrics(run: Run, last: Epoch | None) -> Message:
    """Of a federated training: what this client's round came to."""
    return {
        **_head("round_metrics", run, run.completed_at),
        "client_id": run.client_id,
        "round_id": run.round_id,
        "metrics": scores(last or {}),
    }


def early_stopping(run: Run) -> Message:
    """It ended before all planned epochs, for the metric of record no longer got better."""
    return {
        **_head("early_stopping", run, run.completed_at),
        "monitor": run.monitor,
        "best_value": run.best_value,
        "best_epoch": run.best_epoch,
        "total_epochs_run": _epochs_run(run),
    }


def training_complete(run: Run) -> Message:
    """The run is Completed."""
    results = run.results or {}
    return {
        **_head("training_complete", run, run.completed_at),
        "metrics": _best(run, results),
        "total_epochs_run": _epochs_run(run),
        "training_time": run.training_time,
        "early_stopped": run.early_stopped,
        "best_model_path": results.get("best_model_path"),
    }


def training_stopped(run: Run) -> Message:
    """The run is Failed, or was deleted before it ended."""
    failure = status(run).last_failure
    failed = run.phase == Phase.FAILED
    return {
        **_head("training_stopped", run, ended_at(run)),
        "reason": run.reason if failed else DELETED,
        "message": run.message if failed else "the TrainingRun was deleted before it ended",
        "advice": failure.advice if failed and failure else "",
        "total_epochs_run": _epochs_run(run),
    }


def training_end(run: Run) -> Message:
    """Nothing more is to come."""
    over = run.phase in (Phase.COMPLETED, Phase.FAILED)
    return {**_head("training_end", run, ended_at(run)), "status": (run.phase if over else DELETED).lower()}


def training_metrics_update(run: Run, last: Epoch | None) -> Message:
    """Passing: where training is.

    Args:
        last: the newest epoch that is stored.
    """
    known = status(run)
    progress = known.progress
    metrics = {each.name: _number(each.value) for each in known.metrics or ()} or scores(last or {})
    step = progress.global_step if progress else None
    return {
        **_head("training_metrics_update", run, None),
        "time": (progress.last_heartbeat_time if progress else None) or (last or {}).get("time"),
        "epoch": (last or {}).get("epoch") if run.epoch is None else run.epoch,
        "total_epochs": run.total_epochs,
        "percent": run.percent,
        "estimated_completion_time": _moment(run.estimated_completion_time),
        "global_step": (last or {}).get("global_step") if step is None else step,
        "samples_per_second": _number(progress.samples_per_second)
        if progress and progress.samples_per_second
        else (last or {}).get("samples_per_second"),
        "loss": metrics.get("train_loss"),
        "metrics": metrics,
    }


def run_status(run: Run) -> Message:
    """Passing: the state of the run, and why."""
    known = status(run)
    checkpoint, failure = known.checkpoint, known.last_failure
    return {
        **_head("run_status", run, run.deleted_at or run.completed_at or run.started_at),
        "phase": run.phase,
        "reason": run.reason,
        "message": run.message,
        "attempt": run.attempt,
        "restarts": run.restarts,
        "nodes_ready": known.nodes_ready,
        "waiting_for": known.waiting_for,
        "checkpoint": checkpoint.model_dump(include={"step", "epoch", "time"}) if checkpoint else None,
        "last_failure": failure.model_dump() if failure else None,
        "deleted": run.deleted_at is not None,
    }


def ended_at(run: Run) -> datetime | None:
    """When it was over."""
    return run.completed_at if run.phase in (Phase.COMPLETED, Phase.FAILED) else run.deleted_at


def scores(epoch: Epoch) -> dict[str, Any]:
    """What an epoch came to, without the rest of its record."""
    return {
        name: value
        for name, value in epoch.items()
        if name.startswith(SPLITS) or (name not in NO_SCORES and isinstance(value, int | float))
    }


def status(run: Run) -> TrainingRunStatus:
    """What the operator said last; empty where only a trainer wrote of the run."""
    try:
        return TrainingRunStatus.model_validate(run.object.get("status") or {})
    except ValidationError:  # of another version
        return TrainingRunStatus()


def _head(event: str, run: Run, time: datetime | None) -> dict[str, Any]:
    return {"event": event, "run_id": run.run_id, "time": _moment(time)}


def _best(run: Run, results: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        name: value
        for name, value in results.items()
        if name.startswith("best_") and name != "best_epoch" and (value is None or _is_number(value))
    }
    if not found and run.monitor and run.best_value is not None:
        found[f"best_{run.monitor.removeprefix('val_')}"] = run.best_value
    return found


def _epochs_run(run: Run) -> Any:
    return (run.results or {}).get("total_epochs_run", run.epoch)


def _moment(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

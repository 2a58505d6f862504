"""Rows of the two tables from the files of a run directory, which are the only source of both."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from trainingrun_trainer.artifacts import RUNNING

Row = dict[str, Any]

CENTRALIZED, FEDERATED = "centralized", "federated"
SCORES = (
    "train_loss", "train_accuracy", "train_f1",
    "val_loss", "val_accuracy", "val_precision", "val_recall", "val_f1", "val_auroc",
)  # fmt: skip
"""Metrics with columns of their own, those of the predecessors' table; all others stand in `metrics`."""
MEASURES = ("global_step", "learning_rate", "seconds", "samples_per_second")


@dataclass(frozen=True)
class Rows:
    """A run and its epochs, the first one first."""

    run: Row
    epochs: Sequence[Row]


def read(directory: Path) -> Rows | None:
    """What the run directory says now, or None before an attempt has begun.

    Raises:
        OSError: a file cannot be read.
    """
    run = _json(directory / "run.json")
    if run is None:
        return None
    config = _json(directory / "config.json") or {}
    epochs = _json(directory / "metrics.json") or []
    results = _json(directory / "results.json") or {}
    return rows(run, config.get("database", {}), epochs, results)


def rows(
    run: Mapping[str, Any],
    database: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    results: Mapping[str, Any],
) -> Rows:
    """The rows of run.json, config.json's `database`, metrics.json and results.json."""
    context = {"client_id": database.get("clientId"), "round_id": database.get("roundId")}
    federated = any(value is not None for value in context.values())
    first, last = run["attempts"][0], run["attempts"][-1]
    ended = run["state"] != RUNNING
    return Rows(
        {
            "run_id": run["run_id"],
            "run_description": "/".join(filter(None, (run.get("namespace"), run.get("name")))),
            "training_mode": FEDERATED if federated else CENTRALIZED,
            "status": run["state"],
            "started_at": _time(first["started_at"]),
            "completed_at": _time(last["ended_at"]) if ended else None,
            "total_epochs_run": len(epochs),
            "training_time": results.get("training_time"),
            "early_stopped": results.get("early_stopped"),
            "results": dict(results) or None,
        },
        [{"run_id": run["run_id"], **context, **_epoch(epoch)} for epoch in epochs],
    )


def _epoch(record: Mapping[str, Any]) -> Row:
    return {
        "epoch": record["epoch"],
        "time": _time(record["time"]),
        **{name: record.get(name) for name in (*MEASURES, *SCORES)},
        "metrics": {name: value for name, value in record.items() if name.startswith(("train_", "val_"))},
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None

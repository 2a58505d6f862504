"""The run directory: what a run leaves for people and programs, readable while it trains.

run.json (state, attempts, provenance), config.json, metrics.json (array of epochs), metrics_{run_id}.json and
.csv, results.json, checkpoints/, logs/. Only rank 0 writes. Names and layout are documented in
docs/trainer-contract.md.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainingrun_api import TrainingConfig
from trainingrun_trainer.atomic import atomic_file, remove_leftovers

RUNNING = "running"
"""State of a run that no attempt has ended; ended ones have an outcome of the termination message."""

Record = Mapping[str, float | int | str]


def utc_now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; numbers that JSON does not have become null."""
    with atomic_file(path) as file:
        file.write(json.dumps(_finite(content), indent=2, allow_nan=False).encode() + b"\n")


def _finite(content: Any) -> Any:
    match content:
        case float() if not math.isfinite(content):
            return None
        case Mapping():
            return {key: _finite(value) for key, value in content.items()}
        case list() | tuple():
            return [_finite(value) for value in content]
        case _:
            return content


def config_digest(config: TrainingConfig) -> str:
    """SHA-256 of a config with all defaults spelled out."""
    return hashlib.sha256(json.dumps(config.to_wire(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RunDirectory:
    """Paths and writers of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """Name of the run and part of its uid; without a cluster, the name of the directory."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def log_file(self) -> Path:
        return self.path / "logs" / "training.log"

    def write_config(self, config: TrainingConfig) -> None:
        """Freeze the config with all defaults spelled out."""
        write_json(self.path / "config.json", config.to_wire())

    def read_run(self) -> dict[str, Any]:
        """run.json, or nothing where there is none yet."""
        path = self.path / "run.json"
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return content

    def begin(self, attempt: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Record in run.json that an attempt trains. Earlier attempts stay, their unfinished files go."""
        remove_leftovers(self.path)
        earlier = [
            known for known in self.read_run().get("attempts", []) if known["attempt"] != attempt["attempt"]
        ]
        attempts = [*earlier, {**attempt, "started_at": utc_now()}]
        write_json(
            self.path / "run.json", {"run_id": self.run_id, **content, "state": RUNNING, "attempts": attempts}
        )

    def end(self, state: str) -> None:
        """Record how the attempt ended, if it ever began."""
        run = self.read_run()
        if run.get("state") == RUNNING:
            *earlier, last = run["attempts"]
            attempts = [*earlier, {**last, "ended_at": utc_now(), "outcome": state}]
            write_json(self.path / "run.json", {**run, "state": state, "attempts": attempts})

    def write_metrics(self, epochs: list[Record]) -> None:
        """Write all epochs so far, in three forms."""
        write_json(self.path / "metrics.json", epochs)
        write_json(self.path / f"metrics_{self.run_id}.json", {"run_id": self.run_id, "epochs": epochs})
        text = io.StringIO()
        table = csv.DictWriter(text, fieldnames=list(epochs[-1]), restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(epochs)
        with atomic_file(self.path / f"metrics_{self.run_id}.csv") as file:
            file.write(text.getvalue().encode())

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write results.json."""
        write_json(self.path / "results.json", results)

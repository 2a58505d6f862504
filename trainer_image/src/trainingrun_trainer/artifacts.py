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
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainingrun_api import TrainingConfig
from trainingrun_trainer.atomic import remove_leftovers
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.fence import FENCE, Fence

RUNNING = "running"
"""State of a run that no attempt has ended; ended ones have an outcome of the termination message."""

COMPLETED = "completed"
MOST_FILES = 200
"""Told of in one line of a log."""
REPORTING = "reporting"
"""In run.json what an attempt was making of report and exports when it was killed."""

Record = Mapping[str, float | int | str]


def utc_now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(content: Any) -> bytes:
    """JSON for a file; numbers that JSON does not have become null."""
    return json.dumps(finite(content), indent=2, allow_nan=False).encode() + b"\n"


def finite(content: Any) -> Any:
    """The content with null for numbers that JSON does not have."""
    match content:
        case float() if not math.isfinite(content):
            return None
        case Mapping():
            return {key: finite(value) for key, value in content.items()}
        case list() | tuple():
            return [finite(value) for value in content]
        case _:
            return content


def config_digest(config: TrainingConfig) -> str:
    """SHA-256 of a config with all defaults spelled out."""
    return hashlib.sha256(json.dumps(config.to_wire(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class RunDirectory:
    """Paths and writers of one run. Every writer raises Fenced once a later attempt has begun."""

    path: Path
    attempt: int = 1

    @property
    def run_id(self) -> str:
        """Name of the run and part of its uid; without a cluster, the name of the directory."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def fence(self) -> Fence:
        return Fence(self.checkpoints / FENCE, self.attempt)

    @property
    def log_file(self) -> Path:
        return self.path / "logs" / "training.log"

    def read_run(self) -> dict[str, Any]:
        """run.json, or nothing where there is none yet."""
        return self._read("run.json") or {}

    def finished(self, config: TrainingConfig) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
        """Epochs and results of this config, where they are written already, with report and exports.

        Raises:
            BadConfig: the directory belongs to a run of another config.
        """
        known = self.read_run().get("provenance", {}).get("config_sha256")
        if known not in (None, config_digest(config)):
            raise BadConfig(
                f"the run directory {self.path} holds a run of another config",
                "Use another --run-dir, or restore the config, which stands in config.json.",
            )
        results = self.read_results()
        # earlier versions of the trainer did not say whether they had reported
        reported = known and results and results.get("reported")
        return (self._read("metrics.json"), results) if reported else None

    def begin(self, attempt: Mapping[str, Any], content: Mapping[str, Any], config: TrainingConfig) -> None:
        """Freeze the config, and record in run.json that an attempt trains. Earlier attempts stay, their
        unfinished files go."""
        self.fence.claim()
        remove_leftovers(self.path)
        self._write("config.json", as_json(config.to_wire()))
        earlier = [known for known in self.read_run().get("attempts", []) if known["attempt"] != self.attempt]
        attempts = [*earlier, {"attempt": self.attempt, **attempt, "started_at": utc_now()}]
        self._write_run({"run_id": self.run_id, **content, "state": RUNNING, "attempts": attempts})

    def read_results(self) -> dict[str, Any]:
        """results.json, or nothing where there is none yet."""
        return self._read("results.json") or {}

    def files(self) -> list[dict[str, Any]]:
        """Path and size in bytes of what a reader finds, those of the uppermost directories first, at most
        MOST_FILES."""
        found = []
        for folder, _, entries in os.walk(self.path):
            for entry in entries:
                file = Path(folder, entry)
                with suppress(OSError):  # another one of the claim's users may have removed it
                    status = file.lstat()
                    if stat.S_ISREG(status.st_mode) and not entry.startswith("."):
                        path = file.relative_to(self.path)
                        found.append((len(path.parts), path.as_posix(), status.st_size))
        return [{"path": path, "size": size} for _, path, size in sorted(found)[:MOST_FILES]]

    def killed_in(self) -> set[str]:
        """What of report and exports earlier attempts were killed in."""
        return {known[REPORTING] for known in self.read_run().get("attempts", []) if REPORTING in known}

    def note(self, content: Mapping[str, Any]) -> None:
        """Add to what run.json says of the attempt that trains."""
        run = self.read_run()
        *earlier, last = run["attempts"]
        self._write_run({**run, "attempts": [*earlier, {**last, **content}]})

    def end(self, state: str) -> None:
        """Record how the attempt ended, if it ever began; that a run is completed in any case."""
        run = self.read_run()
        before = run.get("state")
        if before is None or before == COMPLETED or (before != RUNNING and state != COMPLETED):
            return
        *earlier, last = run["attempts"]
        if "outcome" not in last:
            killed = last["attempt"] != self.attempt
            last = {name: value for name, value in last.items() if killed or name != REPORTING}
            last |= {"ended_at": utc_now(), "outcome": state}
        self._write_run({**run, "state": state, "attempts": [*earlier, last]})

    def write_metrics(self, epochs: Sequence[Record]) -> None:
        """Write all epochs so far, in three forms."""
        self._write("metrics.json", as_json(epochs))
        self._write(f"metrics_{self.run_id}.json", as_json({"run_id": self.run_id, "epochs": epochs}))
        text = io.StringIO()
        table = csv.DictWriter(text, fieldnames=list(epochs[-1]), restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(epochs)
        self._write(f"metrics_{self.run_id}.csv", text.getvalue().encode())

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write results.json, by whose `reported` a later attempt knows that nothing is left to do."""
        self._write("results.json", as_json(results))

    def _write_run(self, run: Mapping[str, Any]) -> None:
        self._write("run.json", as_json(run))

    def _write(self, name: str, content: bytes) -> None:
        with self.fence.file(self.path / name) as file:
            file.write(content)

    def _read(self, name: str) -> Any:
        path = self.path / name
        return json.loads(path.read_text()) if path.exists() else None

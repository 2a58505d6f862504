"""A run directory -> what the history keeps of its run.

Whoever trains may write there anything, so no link is followed and nothing large is read.
"""

import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from trainingrun_api.reasons import AttemptOutcome, Phase
from trainingrun_client.errors import InputError
from trainingrun_client.files import Kind, Volume
from trainingrun_client.files.paths import claim_path
from trainingrun_console import beneath
from trainingrun_console.collecting.leniently import items, mapping, moment, number, text, truth, whole
from trainingrun_console.collecting.lines import MOST_ARTIFACTS, Outcome, outcome_of
from trainingrun_console.collecting.merging import Account, Source, Weight, clean
from trainingrun_console.collecting.observed import BEGINNING, UID_DIGITS, context, mode
from trainingrun_console.history.records import Attempt, Run

LARGEST = 64 << 20
"""Bytes of a file that is read."""
MOST_ENTRIES = 10_000
"""After which a directory is listed no further."""
PHASES = {"completed": Phase.COMPLETED, "failed": Phase.FAILED}
OUTCOMES = {
    "completed": AttemptOutcome.COMPLETED,
    "failed": AttemptOutcome.FAILURE,
    "interrupted": AttemptOutcome.DISRUPTION,
}


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The JSON of a run directory, whatever form it has, and its files."""

    run: Any
    config: Any
    metrics: Any
    results: Any
    files: tuple[tuple[str, int], ...] = ()
    """Path and bytes."""

    def accounts(self, at: datetime) -> list[Account]:
        """Of all epochs."""
        attempts = [whole(each, "attempt") or 1 for each in items(self.run, "attempts")]
        weight = Weight(max(attempts, default=1), Source.FILE)
        told = self.metrics if isinstance(self.metrics, list) else []
        return [Account(weight, epoch) for each in told if (epoch := clean(each, at))]

    def outcome(self) -> Outcome | None:
        """What the run left; None before its end."""
        if not mapping(self.results):
            return None
        kept = sorted(self.files, key=lambda file: (file[0].count("/"), file))[:MOST_ARTIFACTS]
        return outcome_of(
            {
                "results": self.results,
                "artifacts": [{"path": path, "size": size} for path, size in kept],
                "provenance": mapping(self.run, "provenance"),
            }
        )

    def attempts(self) -> list[Attempt]:
        """Those that ended."""
        return [
            Attempt(
                number=attempt,
                outcome=OUTCOMES.get(outcome, AttemptOutcome.FAILURE),
                reason=outcome.capitalize(),
                started_at=moment(each, "started_at"),
                ended_at=moment(each, "ended_at"),
            )
            for each in items(self.run, "attempts")
            if (attempt := whole(each, "attempt")) and (outcome := text(each, "outcome"))
        ]

    def as_run(self) -> Run | None:
        """The run without its object; None where run.json does not name it.

        What neither completed nor failed counts as Running: whether it still does, only the cluster knows.
        """
        run_id, name = text(self.run, "run_id"), text(self.run, "name")
        if run_id is None:
            return None
        tried = list(items(self.run, "attempts"))
        started = moment(tried[0], "started_at") if tried else None
        phase = PHASES.get(text(self.run, "state") or "", Phase.RUNNING)
        client_id, round_id = context(mapping(self.config))
        monitor = text(self.results, "monitor") or text(self.config, "monitor")
        epochs = self.metrics if isinstance(self.metrics, list) else []
        best = whole(self.results, "best_epoch")
        return Run(
            run_id=run_id,
            namespace=text(self.run, "namespace") or "",
            name=name or run_id,
            uid=text(self.run, "uid") or run_id[-UID_DIGITS:],
            created_at=started or BEGINNING,
            phase=phase,
            task=text(self.run, "task"),
            training_mode=mode(client_id, round_id),
            client_id=client_id,
            round_id=round_id,
            started_at=started,
            completed_at=moment(tried[-1], "ended_at") if tried and phase != Phase.RUNNING else None,
            attempt=whole(tried[-1], "attempt") if tried else None,
            restarts=max(0, len(tried) - 1),
            epoch=len(epochs),
            total_epochs=whole(self.config, "maxEpochs"),
            monitor=monitor,
            monitor_value=number(epochs[-1], monitor) if epochs and monitor else None,
            best_value=number(epochs[best - 1], monitor)
            if best and monitor and best <= len(epochs)
            else None,
            best_epoch=best,
            early_stopped=truth(self.results, "early_stopped"),
            training_time=number(self.results, "training_time"),
        )


def of_claim(root: Path, run_directory: str) -> RunFiles | None:
    """Of a claim that is mounted here; None where it has no such directory.

    Args:
        run_directory: as status tells it, below the pods' mount.

    Raises:
        OSError: it cannot be read.
    """
    with suppress(InputError, FileNotFoundError, NotADirectoryError):
        return of_directory(root, claim_path(run_directory))
    return None


def of_directory(root: Path, path: str = ".") -> RunFiles:
    """Of a directory below one that is trusted.

    Raises:
        OSError: there is none, a link leads to it, or it cannot be read.
    """
    with beneath.directory(root, PurePosixPath(path)) as directory:
        return _read(lambda name: _json(name, directory), _listed(directory))


def of_volume(volume: Volume) -> RunFiles:
    """Of a directory that a pod mounts. Raises like Volume."""
    files = [(entry.path, entry.size) for entry in volume.ls() if entry.kind == Kind.FILE]
    sizes = dict(files)

    def read(name: str) -> Any:
        if not 0 < sizes.get(name, 0) <= LARGEST:
            return None
        return _parsed(lambda: volume.read_bytes(name))

    return _read(read, files)


def _read(read: Callable[[str], Any], files: Iterable[tuple[str, int]]) -> RunFiles:
    """Without the files that are half written."""
    shown = tuple(file for file in files if not PurePosixPath(file[0]).name.startswith("."))
    return RunFiles(read("run.json"), read("config.json"), read("metrics.json"), read("results.json"), shown)


def _json(name: str, directory: int) -> Any:
    try:
        file = beneath.regular_file(name, directory)
    except OSError:
        return None
    with os.fdopen(file, "rb") as opened:
        if os.fstat(file).st_size > LARGEST:
            return None
        return _parsed(lambda: opened.read(LARGEST))


def _parsed(read: Callable[[], bytes]) -> Any:
    try:
        return json.loads(read())
    except (ValueError, RecursionError):
        return None


def _listed(directory: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for folder, _, entries, descriptor in os.fwalk(".", dir_fd=directory):
        if len(found) > MOST_ENTRIES:
            break
        for entry in entries:
            with suppress(OSError):  # it may be removed meanwhile
                state = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
                if stat.S_ISREG(state.st_mode):
                    found.append((os.path.normpath(f"{folder}/{entry}"), state.st_size))
    return found


def run_directory_of(raw: Mapping[str, Any], mounted: Mapping[str, Path]) -> tuple[Path, str] | None:
    """Where the claim of a TrainingRun is mounted here, and its directory as status tells it."""
    namespace = text(raw, "metadata", "namespace")
    claim, directory = text(raw, "status", "checkpointClaim"), text(raw, "status", "runDirectory")
    root = mounted.get(f"{namespace}/{claim}")
    return (root, directory) if root is not None and directory is not None else None

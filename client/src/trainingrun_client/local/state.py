"""What outlives the client: the TrainingRun as an API server would hold it, and the process that trains.

It lies in a hidden folder of the run's directory, which the trainer leaves alone. One client at a time reads
and writes it.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainingrun_client.local.processes import Process

FOLDER = ".local"
STATE = "state.json"


@dataclass
class State:
    """One run of this machine."""

    object: dict[str, Any]
    """The TrainingRun; its status is that of the moment when its last attempt began or ended."""
    process: Process | None = None
    """The launcher of the attempt under way, whose end nobody has noted yet."""
    metrics_port: int = 0


@dataclass(frozen=True, slots=True)
class Files:
    """Where everything of a run lies."""

    directory: Path
    """The run directory of docs/trainer-contract.md."""

    @property
    def folder(self) -> Path:
        """What is not the trainer's."""
        return self.directory / FOLDER

    @property
    def config(self) -> Path:
        """The config as a pod would find it, with paths of this machine."""
        return self.folder / "config.json"

    def log(self, attempt: int) -> Path:
        """All that an attempt wrote to its console."""
        return self.folder / f"{attempt}.log"

    def termination(self, attempt: int) -> Path:
        """Its termination message."""
        return self.folder / f"{attempt}.termination"

    def attempts(self) -> list[int]:
        """Those that have a log, in order."""
        return sorted(int(path.stem) for path in self.folder.glob("*.log") if path.stem.isdecimal())

    def known(self) -> bool:
        """Whether there is such a run."""
        return (self.folder / STATE).is_file()

    def load(self) -> State | None:
        """The state; None where there is no such run."""
        try:
            content = json.loads((self.folder / STATE).read_bytes())
        except FileNotFoundError:
            return None
        process = content.pop("process")
        return State(**content, process=Process(**process) if process else None)

    def save(self, state: State) -> None:
        """As a whole or not at all."""
        temporary = self.folder / f"{STATE}.{os.getpid()}"
        temporary.write_text(json.dumps(asdict(state), indent=1))
        temporary.replace(self.folder / STATE)

    def forget(self) -> None:
        """Remove what is not the trainer's; results stay."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the run meanwhile. The folder must be there."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

"""Files of run directories whose claims are not mounted here: by a pod, with the caller's own rights."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from trainingrun_client.connection import Connection
from trainingrun_client.errors import InputError
from trainingrun_client.files import Kind, Volume, volume_of
from trainingrun_client.run import TrainingRun
from trainingrun_console.api.mounted import missing
from trainingrun_console.api.problems import Problem, unavailable
from trainingrun_console.history.records import Artifact

START_SECONDS = 60.0
PODS = 4
"""At the same time."""
MOST_BYTES = 256 << 20
_places = threading.BoundedSemaphore(PODS)


def listed(connection: Connection, run: TrainingRun) -> list[Artifact]:
    """Files by path. Raises ForbiddenError, TransferError and UnreachableError."""
    if not run.status.checkpoint_claim or not run.status.run_directory:
        return []
    with _volume(connection, run) as volume:
        entries = volume.ls()
    return [Artifact(entry.path, entry.size) for entry in entries if entry.kind == Kind.FILE]


def opened(connection: Connection, run: TrainingRun, path: str) -> int:
    """A descriptor of a copy, which is gone once it is closed. Raises as `listed`, and Problem 404, 413."""
    with TemporaryDirectory() as folder:
        with _volume(connection, run) as volume:
            try:
                entry = next((entry for entry in volume.ls(path) if entry.path == path), None)
            except InputError as error:
                raise missing(path) from error
            if entry is None or entry.kind != Kind.FILE:
                raise missing(path)
            if entry.size > MOST_BYTES:
                raise Problem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"{path} has {entry.size} bytes, more than the {MOST_BYTES} that are fetched here: "
                    f"kubectl trainingrun artifacts get {run.name} {path} -n {run.namespace}",
                )
            volume.get([path], Path(folder))
        return os.open(Path(folder) / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


@contextmanager
def _volume(connection: Connection, run: TrainingRun) -> Iterator[Volume]:
    if not _places.acquire(blocking=False):
        raise unavailable(f"{PODS} pods are fetching files already")
    try:
        with volume_of(connection, run, timeout=START_SECONDS) as volume:
            yield volume
    finally:
        _places.release()

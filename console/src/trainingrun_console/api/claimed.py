"""Files of run directories whose claims are not mounted here: by a pod, with the caller's own rights."""

import os
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from trainingrun_client.errors import InputError
from trainingrun_client.files import Kind
from trainingrun_client.run import TrainingRun
from trainingrun_console.access.caller import Caller
from trainingrun_console.api.held_volumes import held_volume
from trainingrun_console.api.mounted import missing
from trainingrun_console.api.problems import Problem
from trainingrun_console.history.records import Artifact

MOST_BYTES = 256 << 20


def listed(caller: Caller, run: TrainingRun) -> list[Artifact]:
    """Files by path. Raises ForbiddenError, TransferError and UnreachableError."""
    if not run.status.checkpoint_claim or not run.status.run_directory:
        return []
    with held_volume(caller.name, caller.connection(), run) as volume:
        entries = volume.ls()
    return [Artifact(entry.path, entry.size) for entry in entries if entry.kind == Kind.FILE]


def opened(caller: Caller, run: TrainingRun, path: str) -> int:
    """A descriptor of a copy, which is gone once it is closed. Raises as `listed`, and Problem 404, 413."""
    with TemporaryDirectory() as folder:
        with held_volume(caller.name, caller.connection(), run) as volume:
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

"""Files of run directories whose claims are mounted beside this service. Nothing leads out of a directory."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from trainingrun_client.errors import InputError
from trainingrun_client.files.paths import claim_path, inner_path
from trainingrun_client.run import TrainingRun
from trainingrun_console import beneath
from trainingrun_console.api.problems import Problem, unprocessable
from trainingrun_console.history.records import Artifact, Run

MOST_FILES = 10_000
CHUNK = 1 << 18


def directory_of(run: Run, mounts: Mapping[str, Path]) -> Path | None:
    """The run's directory, where its claim is mounted here."""
    status = TrainingRun(run.object).status if run.object else None
    if status is None or not status.checkpoint_claim or not status.run_directory:
        return None
    mount = mounts.get(f"{run.namespace}/{status.checkpoint_claim}")
    if mount is None:
        return None
    with suppress(InputError):
        found = mount / claim_path(status.run_directory)
        # The name is the operator's alone: no run reads the directory of another one.
        if found.name == run.run_id and found.is_dir() and not found.is_symlink():
            return found.resolve()
    return None


def listed(directory: Path) -> list[Artifact]:
    """Regular files, by path; links are left out."""
    found: list[Artifact] = []
    for folder, folders, names in os.walk(directory, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            with suppress(OSError):  # gone by now
                told = path.lstat()
                if stat.S_ISREG(told.st_mode) and len(found) < MOST_FILES:
                    found.append(Artifact(_text(path.relative_to(directory)), told.st_size))
    return sorted(found, key=lambda file: file.path)


def opened(directory: Path, path: str) -> int:
    """A descriptor of a regular file below the directory.

    Raises Problem: 422 for a path that leads out, 404 for what is no file.
    """
    inside = checked(path)
    try:
        real = (directory / inside).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise missing(path) from error
    if not real.is_relative_to(directory):
        raise missing(path)
    try:
        return _beneath(directory, real.relative_to(directory))
    except OSError as error:
        raise missing(path) from error


def checked(path: str) -> str:
    """A path as it may stand in a URL. Raises Problem 422."""
    try:
        inside = inner_path(path)
    except InputError as error:
        raise unprocessable("path.path", str(error)) from error
    if inside == ".":
        raise unprocessable("path.path", "name a file")
    return inside


def chunks(descriptor: int, size: int) -> Iterator[bytes]:
    """The first bytes of a file, then it is closed; it may grow meanwhile."""
    with os.fdopen(descriptor, "rb") as file:
        while size > 0 and (data := file.read(min(CHUNK, size))):
            size -= len(data)
            yield data


def missing(path: str) -> Problem:
    """404, also for what leads out: an answer that differs would tell what lies there."""
    return Problem(HTTPStatus.NOT_FOUND, f"the run has no file {path[:200]!r}")


def _beneath(directory: Path, relative: Path) -> int:
    with beneath.directory(directory, relative.parent) as here:
        return beneath.regular_file(relative.name, here)


def _text(path: Path) -> str:
    """As JSON can hold it: names need not be UTF-8."""
    return str(PurePosixPath(path)).encode(errors="surrogateescape").decode(errors="replace")

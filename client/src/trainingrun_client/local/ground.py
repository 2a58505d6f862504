"""Whether a directory may become that of a run: a run fills it, so nothing else may lie there."""

import json
from collections.abc import Iterable
from pathlib import Path

from trainingrun_api.training import DataConfig
from trainingrun_client.errors import InputError
from trainingrun_client.local.state import FOLDER

REMEDY = "give another --run-dir, which is new or empty, or another name"


def check_ground(directory: Path, data: DataConfig, claims: Iterable[Path]) -> None:
    """Raises InputError, with the remedy, where a run must not write.

    Runs may lie beside the data in a directory that stands for a claim, as in the one from which both are
    called; not in the data themselves.

    Args:
        directory: of the run.
        data: with paths of this machine.
        claims: directories that stand for claims.
    """
    wanted = directory.resolve()
    roots = {each.expanduser().resolve() for each in claims}
    path = Path(data.path).resolve()
    trained = {path / data.images_directory, path / data.masks_directory}
    if path not in roots:
        trained.add(path)
    for each in sorted(roots | trained):
        if each.is_relative_to(wanted):
            raise InputError(f"the run directory {directory} holds the data {each}: {REMEDY}")
    for each in sorted(trained):
        if wanted.is_relative_to(each):
            raise InputError(f"the run directory {directory} lies in the data {each}: {REMEDY}")
    try:
        if wanted.exists() and any(wanted.iterdir()) and not _is_of_a_run(wanted):
            raise InputError(f"{directory} holds other files than those of a run: {REMEDY}")
    except OSError as error:
        raise InputError(f"{directory} cannot be a run directory: {error.strerror}: {REMEDY}") from error


def _is_of_a_run(directory: Path) -> bool:
    """By what a client, or the trainer as it begins, leaves there."""
    if (directory / FOLDER).is_dir() or (directory / "checkpoints" / "attempt.json").is_file():
        return True
    try:
        frozen = json.loads((directory / "config.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(frozen, dict) and {"task", "data"} <= frozen.keys()

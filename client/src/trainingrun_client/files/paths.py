"""Paths of files, checked before they are used: those that people write, and those that a pod answers. Pure,
apart from looking at links of this machine.

Inside a volume a path is relative and has slashes: `a/b`; the directory itself is `.`.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from trainingrun_api import names
from trainingrun_client.errors import InputError

PART = ".part"
"""Ending of a file that is on its way."""


def inner_path(text: str) -> str:
    """A path below a directory, normalized. Raises InputError where it would lead out."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\0" in text:
        raise InputError(f'{text!r} must be a path below the directory: without "..", and no slash first')
    return str(path)


def joined(directory: str, path: str) -> str:
    """A path below a directory that is itself such a path."""
    return inner_path(str(PurePosixPath(directory) / path))


def claim_path(run_directory: str) -> str:
    """Where a run's directory lies in its claim, which pods mount at CHECKPOINTS_DIR.

    >>> claim_path("/checkpoints/chest-0a1b2c3d")
    'chest-0a1b2c3d'
    """
    try:
        return inner_path(str(PurePosixPath(run_directory).relative_to(names.CHECKPOINTS_DIR)))
    except ValueError as error:
        raise InputError(f"the run directory {run_directory} is not below {names.CHECKPOINTS_DIR}") from error


def local_path(folder: Path, path: str) -> Path:
    """Where a file of a volume belongs below a folder of this machine.

    Raises InputError where the path or a link leads out of the folder, or a directory is in its place.
    """
    target = folder / inner_path(path)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{target} leads out of {folder} by a symbolic link: remove that link")
    if target.is_dir() and not target.is_symlink():
        raise InputError(f"{target} is a directory and {path} a file: remove one, or take another folder")
    return target


def refuse_clashes(paths: Iterable[str]) -> None:
    """Raises InputError where a file has the name under which another one is on its way."""
    known = set(paths)
    for path in sorted(known):
        if path + PART in known:
            raise InputError(f"{path} and {path}{PART} cannot be brought together: rename the second")

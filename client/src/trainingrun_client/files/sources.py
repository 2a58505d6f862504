"""What is to be pushed: the files and directories of this machine, as `cp -r` would name them."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trainingrun_client.errors import InputError
from trainingrun_client.files.paths import joined, refuse_clashes
from trainingrun_client.files.pieces import File


def gathered(
    sources: Sequence[Path], directory: str, say: Callable[[str], object]
) -> tuple[list[File], list[str]]:
    """The files, and the directories that must be there for them, by their paths in the volume.

    A directory keeps its name; of `.` only the content is taken. In it, links to its own files stand for the
    files; links to directories or out of it, sockets and the like are left out, and told.

    Raises InputError as `check` does, and where two would get one name.
    """
    check(sources)
    files: dict[str, File] = {}
    directories = [directory]
    for source in sources:
        top = joined(directory, source.name)
        if source.is_dir():
            found = list(_below(source, top, say))
            directories += [path for path, local in found if local.is_dir()]
        else:
            found = [(top, source)]
        for path, local in found:
            if local.is_dir():
                continue
            if path in files:
                raise InputError(f"{files[path].local} and {local} would both become {path}")
            files[path] = _file(path, local)
    refuse_clashes(files)
    return list(files.values()), list(dict.fromkeys(directories))


def check(sources: Sequence[Path]) -> None:
    """Raises InputError where one is missing, or neither a file nor a directory: a pipe may never end."""
    if missing := [str(source) for source in sources if not source.exists()]:
        raise InputError(f"there is no {', '.join(missing)}")
    for source in sources:
        if not (source.is_file() or source.is_dir()):
            raise InputError(f"{source} is neither a file nor a directory: write what it gives into a file")


def _below(top: Path, name: str, say: Callable[[str], object]) -> Iterator[tuple[str, Path]]:
    inside = top.resolve()
    for folder, subfolders, members in os.walk(top, onerror=_raise):
        here = joined(name, str(Path(folder).relative_to(top)))
        yield here, Path(folder)
        subfolders.sort()
        for each in [*members, *subfolders]:
            local = Path(folder, each)
            if local.is_symlink() and local.exists() and not local.resolve().is_relative_to(inside):
                say(f"left out: the link {local} -> {local.readlink()} leads out of {top}")
            elif local.is_file():
                yield joined(here, each), local
            elif not local.is_dir() or local.is_symlink():
                say(f"left out: {local} is no file")


def _file(path: str, local: Path) -> File:
    found = local.stat()
    return File(path, local, found.st_size, int(found.st_mtime))


def _raise(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error

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

    A directory keeps its name; of `.` only the content is taken. Links to files stand for the files; links to
    directories, sockets and the like are left out, and told.

    Raises InputError where there is no such file, or two would get one name.
    """
    files: dict[str, File] = {}
    directories = [directory]
    for source in sources:
        if not source.exists():
            raise InputError(f"there is no {source}")
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


def _below(top: Path, name: str, say: Callable[[str], object]) -> Iterator[tuple[str, Path]]:
    for folder, subfolders, members in os.walk(top, onerror=_raise):
        here = joined(name, str(Path(folder).relative_to(top)))
        yield here, Path(folder)
        subfolders.sort()
        for each in [*members, *subfolders]:
            local = Path(folder, each)
            if local.is_file():
                yield joined(here, each), local
            elif not local.is_dir() or local.is_symlink():
                say(f"{local} is left out: it is no file")


def _file(path: str, local: Path) -> File:
    found = local.stat()
    return File(path, local, found.st_size, int(found.st_mtime))


def _raise(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error

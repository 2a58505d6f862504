"""Files that a reader sees whole or not at all, also after a crash of the machine."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO

READABLE = 0o644
SUFFIX = ".partial"


@contextmanager
def atomic_file(path: Path, before_rename: Callable[[], None] | None = None) -> Iterator[IO[bytes]]:
    """A file that takes its place when the block ends well, and vanishes when it does not.

    The temporary file stands in the same directory, because a rename is atomic only within a file system.
    `before_rename` is called once the file is whole and synced; what it raises keeps the file from its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=SUFFIX, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), READABLE)
        if before_rename:
            before_rename()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def hard_link(source: Path, path: Path, before_rename: Callable[[], None]) -> bool:
    """Give a file a second place without a second copy; False where its file system has no hard links.

    Files that are only ever replaced as a whole may share their bytes. `before_rename` is as above.
    """
    temporary = path.with_name(f".{path.name}.{token_hex(4)}{SUFFIX}")
    try:
        os.link(source, temporary)
    except OSError:
        return False
    try:
        before_rename()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # it stays, too, where both are links of one file already
    sync_directory(path.parent)
    return True


def remove_leftovers(directory: Path) -> None:
    """Remove what killed processes left half written.

    A late writer whose file vanishes here fails at its rename; it was fenced before.
    """
    for leftover in directory.rglob(f".*{SUFFIX}"):
        leftover.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make renames in a directory outlast a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""What a volume holds, as `stat` in the pod tells it. Pure.

A record is `MODE SIZE MTIME PATH//` and a newline. Paths may hold newlines, but as `find` writes them never
two slashes, so that the end of a record is certain.
"""

import stat
from dataclasses import dataclass
from enum import StrEnum

from trainingrun_client.errors import TransferError
from trainingrun_client.files.paths import inner_path

FORMAT = "%f %s %Y %n//"
"""Of stat -c; GNU coreutils and busybox have it."""
END = b"//\n"


class Kind(StrEnum):
    """Of an entry."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    """A symbolic link to anything but a file of the same directory."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file or directory of a volume."""

    path: str
    """Below the volume's directory."""
    kind: Kind
    size: int
    """Bytes; 0 of what is no file."""
    modified: int
    """Seconds since 1970."""


def parse(answer: bytes) -> list[Entry]:
    """By path; the directory itself is left out. Raises TransferError where the answer is none."""
    found = set()
    for record in answer.split(END)[:-1]:
        try:
            mode, size, modified, path = record.split(b" ", 3)
            kind = _kind(int(mode, 16))
            # As os.fsdecode does it: names need not be UTF-8.
            name = inner_path(path.decode(errors="surrogateescape"))
            found.add(Entry(name, kind, int(size) if kind == Kind.FILE else 0, int(modified)))
        except ValueError as error:
            raise TransferError(f"the pod's stat answers {record[:200]!r}: give another --image") from error
    return sorted(entry for entry in found if entry.path != ".")


def _kind(mode: int) -> Kind:
    tests = {Kind.FILE: stat.S_ISREG, Kind.DIRECTORY: stat.S_ISDIR, Kind.LINK: stat.S_ISLNK}
    return next((kind for kind, test in tests.items() if test(mode)), Kind.OTHER)

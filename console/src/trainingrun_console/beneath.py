"""Opens what lies in run directories, where those who train write while this reads.

A path is checked at the moment it is opened: every component is opened by itself, below the one before, and
none of them as a symbolic link.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath


@contextmanager
def directory(root: Path, inside: PurePath) -> Iterator[int]:
    """A descriptor of a directory below one that is trusted. Raises OSError."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in inside.parts:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = inner
        yield here
    finally:
        os.close(here)


def regular_file(name: str, here: int) -> int:
    """A descriptor of a file in an open directory. Raises OSError."""
    # Not to wait for whoever writes into a pipe.
    found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise FileNotFoundError(name)
    return found

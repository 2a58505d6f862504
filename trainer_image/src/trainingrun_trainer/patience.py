"""Waits for a volume that cannot be written for a while, as a full one that somebody will clear."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from trainingrun_trainer.logs import LOGGER

T = TypeVar("T")

PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT})
"""What may pass by itself or be mended while the pod waits."""
SECONDS = 600.0
PAUSE = 2.0


def patiently(
    write: Callable[[], T], wait: Callable[[], None], *, seconds: float = SECONDS, pause: float = PAUSE
) -> T:
    """Write something that must not be lost, again and again for some minutes.

    Args:
        write: called until it succeeds.
        wait: called before each pause, so that waiting is not taken for a stall.

    Raises:
        OSError: it failed in another way than PASSING, or to the end.
    """
    deadline = time.monotonic() + seconds
    warned = False
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in PASSING or time.monotonic() > deadline:
                raise
            if not warned:
                LOGGER.warning("waiting up to %.0f s for the volume: %s", seconds, error)
                warned = True
        wait()
        time.sleep(pause)

"""Ends what a database never answers.

PostgreSQL's own limits do not help where its machine or process stands still, and libpq waits for an answer
without any limit: one such server would hold every thread of the service.
"""

import os
import socket
from threading import Condition, Thread
from time import monotonic


class Watchdog:
    """Cuts connections that do not answer for some seconds; whoever waits on one gets an error."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watched: dict[object, tuple[float, int]] = {}
        """Deadline and file descriptor, in the order of the deadlines."""
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="database-watchdog", daemon=True)
        self._thread.start()

    def arm(self, key: object, descriptor: int) -> None:
        """The connection with that descriptor is asked something now."""
        with self._changed:
            self._watched.pop(key, None)
            self._watched[key] = monotonic() + self._seconds, descriptor
            if len(self._watched) == 1:
                self._changed.notify()

    def disarm(self, key: object) -> None:
        """It is not in use any longer. To be called before its descriptor is closed and given to another."""
        with self._changed:
            self._watched.pop(key, None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                first = next(iter(self._watched.items()), None)
                if first is None:
                    self._changed.wait()
                    continue
                key, (deadline, descriptor) = first
                if (left := deadline - monotonic()) > 0:
                    self._changed.wait(left)
                    continue
                del self._watched[key]
                _cut(descriptor)


def _cut(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is cut already
            return

"""Which run is handled next: a key waits once however often it is put, and one worker at a time takes it."""

import heapq
import itertools
import threading
from collections.abc import Callable
from time import monotonic


class WorkQueue:
    """Keys, some of them for later. Threads share it."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: dict[str, None] = {}
        self._later: list[tuple[float, int, str]] = []
        self._order = itertools.count()
        self._taken: set[str] = set()
        self._again: set[str] = set()
        self._stopped = False

    def put(self, key: str, delay: float = 0.0) -> None:
        """Let a key be taken, after so many seconds; one that is taken comes again after that."""
        with self._changed:
            if delay > 0:
                heapq.heappush(self._later, (self._clock() + delay, next(self._order), key))
            else:
                self._make_ready(key)
            self._changed.notify()

    def take(self) -> str | None:
        """The key that has waited longest, as soon as there is one; None once the queue is stopped."""
        with self._changed:
            while not self._stopped:
                while self._later and self._later[0][0] <= self._clock():
                    self._make_ready(heapq.heappop(self._later)[2])
                if self._ready:
                    key = next(iter(self._ready))
                    del self._ready[key]
                    self._taken.add(key)
                    return key
                self._changed.wait(self._later[0][0] - self._clock() if self._later else None)
            return None

    def done(self, key: str) -> None:
        """What was taken may be taken again."""
        with self._changed:
            self._taken.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._ready[key] = None
                self._changed.notify()

    def stop(self) -> None:
        """Nothing is taken any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _make_ready(self, key: str) -> None:
        if key in self._taken:
            self._again.add(key)
        else:
            self._ready.setdefault(key)

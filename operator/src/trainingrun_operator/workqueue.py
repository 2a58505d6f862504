"""The work queue: which run is looked at next.

A key is queued once however often it is added, and worked on by one worker at a time: an addition meanwhile
is remembered and comes up again afterwards. Additions may be delayed; failures come back after a growing
pause. Runs that ended come before all others: under load, news that is already true must not wait behind new
work.

Belongs to one event loop. All but `get` is plain data and takes the time as it is told.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from trainingrun_operator.observed import Job, Key, newest_is_over

MOST_STALE = 64
"""Outdated candidates that are kept whatever the number of keys."""


class Priority(IntEnum):
    """Lower comes first."""

    ENDED = 0
    NORMAL = 1


def urgency(jobs: Iterable[Job]) -> Priority:
    """Of a run with these Jobs."""
    return Priority.ENDED if newest_is_over(jobs) else Priority.NORMAL


class Add(Protocol):
    """Puts a key on the work queue."""

    def __call__(self, key: Key, delay: float = 0.0, priority: Priority = Priority.NORMAL) -> None:
        """Delay in seconds."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pause after the n-th failure in a row: first * 2^(n-1), at most `longest` seconds."""

    first: float = 0.5
    longest: float = 20.0

    def seconds(self, failures: int) -> float:
        """The pause after so many failures, at least one."""
        return float(min(self.longest, self.first * 2.0 ** min(failures - 1, 30)))


@dataclass(slots=True)
class _Entry:
    due: float
    priority: Priority


class WorkQueue:
    """Keys, when they are due, and who works on them."""

    def __init__(self, clock: Callable[[], float], backoff: Backoff | None = None) -> None:
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._entries: dict[Key, _Entry] = {}
        # Heaps of candidates. An entry that was changed or taken leaves its old candidate behind, to be
        # skipped, or to be swept out where they are many: a wish may lie a week ahead and be renewed often.
        self._delayed: list[tuple[float, int, Key, _Entry]] = []
        self._ready: list[tuple[Priority, int, Key, _Entry]] = []
        self._order = itertools.count()
        self._working: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def add(self, key: Key, delay: float = 0.0, priority: Priority = Priority.NORMAL) -> None:
        """Wants a key to be worked on after a delay in seconds; the sooner and the more urgent wish wins."""
        entry = _Entry(self._clock() + delay, priority)
        if old := self._entries.get(key):
            if old.due <= entry.due and old.priority <= entry.priority:
                return
            entry = _Entry(min(old.due, entry.due), min(old.priority, entry.priority))
        self._entries[key] = entry
        if key not in self._working:
            self._file(key, entry)

    def take(self) -> Key | None:
        """The next key that is due, now being worked on; to be given back by `done` or `failed`."""
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            _, order, key, entry = heapq.heappop(self._delayed)
            if self._entries.get(key) is entry:
                heapq.heappush(self._ready, (entry.priority, order, key, entry))
        while self._ready:
            _, _, key, entry = heapq.heappop(self._ready)
            if self._entries.get(key) is entry:
                del self._entries[key]
                self._working[key] = now
                return key
        return None

    def done(self, key: Key, again_after: float | None = None, priority: Priority = Priority.NORMAL) -> None:
        """The work on a key succeeded; it may be wanted again after some seconds."""
        self._failures.pop(key, None)
        self._release(key, again_after, priority)

    def failed(self, key: Key) -> float:
        """The work on a key failed; it comes back after the pause in seconds that is returned."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        pause = self._backoff.seconds(failures)
        self._release(key, pause)
        return pause

    def forget(self, key: Key) -> None:
        """Drops what is remembered of the failures of a key."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Waits for `take` to have a key."""
        loop = asyncio.get_running_loop()
        while (key := self.take()) is None:
            waiter = loop.create_future()
            self._waiters.append(waiter)
            self._set_alarm()
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():  # the call was for somebody
                    self._call()
                raise
        if self._ready:
            self._call()
        self._set_alarm()
        return key

    @property
    def depth(self) -> int:
        """Keys that wait for a worker, roughly; any thread may ask."""
        return len(self._ready)

    def longest_work(self) -> float:
        """Seconds for which the slowest worker has been at its key."""
        now = self._clock()
        return max((now - since for since in self._working.values()), default=0.0)

    def _file(self, key: Key, entry: _Entry) -> None:
        if entry.due <= self._clock():
            heapq.heappush(self._ready, (entry.priority, next(self._order), key, entry))
            self._call()
        else:
            heapq.heappush(self._delayed, (entry.due, next(self._order), key, entry))
            if len(self._delayed) > MOST_STALE + 2 * len(self._entries):
                self._sweep()
            self._set_alarm()

    def _sweep(self) -> None:
        """Drops the candidates that nobody wants any more."""
        self._delayed = [found for found in self._delayed if self._entries.get(found[2]) is found[3]]
        heapq.heapify(self._delayed)

    def _release(self, key: Key, again_after: float | None, priority: Priority = Priority.NORMAL) -> None:
        del self._working[key]
        if entry := self._entries.get(key):
            self._file(key, entry)
        if again_after is not None:
            self.add(key, again_after, priority)

    def _call(self) -> None:
        """Wakes one of those that wait: all of them would find one key."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _set_alarm(self) -> None:
        """Lets somebody look again when the next key is due."""
        if not self._waiters or not self._delayed:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, self._delayed[0][0] - self._clock())
        if self._alarm:
            if self._alarm.when() <= due:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._call()

"""One run to which somebody listens: read once for all, and each piece of news made once for all."""

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import Executor
from typing import NamedTuple, Protocol

from trainingrun_console.history.errors import HistoryError
from trainingrun_console.history.store import History
from trainingrun_console.live import messages
from trainingrun_console.live.cursor import Cursor, Told, View, is_told, missing
from trainingrun_console.live.frames import Batch, Frame

LOGGER = logging.getLogger(__name__)
BATCH_BYTES = 32 << 10
MOST_BATCHES = 128
"""Kept for other clients at the same position."""
SLICE = 50
"""Clients that are woken before others of the service have their turn."""


class Position(NamedTuple):
    """What one client was told."""

    cursor: Cursor = Cursor()
    passing: int = 0
    """The highest version of a passing message."""


class Listener(Protocol):
    """Waits for news."""

    def wake(self) -> None:
        """There may be some."""


class Channel:
    """Of the event loop; only `_read` runs in a thread."""

    def __init__(self, history: History, run_id: str, executor: Executor, poll_seconds: float) -> None:
        self.run_id = run_id
        self.listeners: dict[Listener, None] = {}
        self.view: View | None = None
        """None where the history does not know the run."""
        self._history, self._executor, self._poll_seconds = history, executor, poll_seconds
        self._head = Cursor()
        """All of the view was told. What may be missing then is found by few reads."""
        self._passing: dict[str, tuple[int, Frame]] = {}
        self._version = 0
        self._batches: dict[Position, tuple[Batch, Position]] = {}
        self._news = asyncio.Event()
        self._opening = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read the run, unless that was done. Raises HistoryError."""
        async with self._opening:
            if self._following is None:
                await self._refresh()
                self._following = asyncio.create_task(self._follow(), name=f"live {self.run_id}")

    def close(self) -> None:
        """Read no more."""
        if self._following is not None:
            self._following.cancel()

    def changed(self) -> None:
        """Look at once."""
        self._news.set()

    def is_over(self, position: Position) -> bool:
        """Whether nothing more is to come for somebody who has no news."""
        return self.view is None or self.view.run.finished

    def batch(self, position: Position) -> tuple[Batch, Position]:
        """What comes next for a client, and where it is then. Empty where there is no news."""
        found = self._batches.get(position)
        if found is None:
            found = self._made(position)
            if len(self._batches) >= MOST_BATCHES:
                self._batches.clear()
            self._batches[position] = found
        return found

    def _made(self, position: Position) -> tuple[Batch, Position]:
        if self.view is None or is_told(position.cursor, self.view.run):
            return Batch(), position
        frames = [frame for version, frame in self._passing.values() if version > position.passing]
        cursor, size = position.cursor, 0
        for after, message in missing(cursor, self.view):
            frame = Frame.of(message, str(after))
            frames.append(frame)
            cursor, size = after, size + len(frame.text)
            if size > BATCH_BYTES:
                break
        return Batch(tuple(frames)), Position(cursor, self._version)

    async def _follow(self) -> None:
        failing = False
        while True:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                news = await self._refresh()
            except HistoryError as error:
                if not failing:
                    LOGGER.warning("%s is not followed for now: %s", self.run_id, error)
                failing = True
                continue
            failing = False
            if news:
                await _wake(list(self.listeners))

    async def _refresh(self) -> bool:
        """Whether there is news."""
        loop = asyncio.get_running_loop()
        view = await loop.run_in_executor(self._executor, self._read, self.view, self._head)
        before, self.view = self.view, view
        if view is None:
            return before is not None
        news = False
        for message in (messages.run_status(view.run), messages.training_metrics_update(view.run, view.last)):
            frame = Frame.of(message)
            if self._passing.get(frame.event, (0, None))[1] != frame:
                self._version += 1
                self._passing[frame.event] = self._version, frame
                news = True
        for after, _ in missing(self._head, view):
            self._head, news = after, True
        if news:
            self._batches.clear()
        return news

    def _read(self, known: View | None, head: Cursor) -> View | None:
        """The epochs last: the row of a run that ended was written after them."""
        run = self._history.run(self.run_id)
        if run is None:
            return None
        attempts = self._history.attempts(self.run_id)
        everything = known is None or run.finished or attempts != list(known.attempts)
        after = 0 if everything else head.after(attempts)
        found = [Told.of(record) for record in self._history.epochs(self.run_id, after)]
        if after and known is not None:
            found = [*(each for each in known.epochs if each.place.number <= after), *found]
        return View(run, found, attempts)


async def _wake(listeners: Iterable[Listener]) -> None:
    """All of them, but not at once."""
    for number, listener in enumerate(listeners, start=1):
        listener.wake()
        if number % SLICE == 0:
            await asyncio.sleep(0)

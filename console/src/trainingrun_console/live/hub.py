"""All clients that listen, by run: reads the history for those runs alone, keeps connections alive, and ends
those whose clients do not read or may no longer listen."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from trainingrun_console.history.store import History
from trainingrun_console.live.channel import Channel, Position
from trainingrun_console.live.cursor import Cursor
from trainingrun_console.live.subscription import Ending, Subscription

LOGGER = logging.getLogger(__name__)
READERS = 4


class Hub:
    """Of one service. All but `changed` belongs to the event loop."""

    def __init__(
        self,
        history: History,
        poll_seconds: float = 0.5,
        *,
        heartbeat_seconds: float = 15.0,
        write_seconds: float = 20.0,
        check_seconds: float = 30.0,
    ) -> None:
        """
        Args:
            poll_seconds: between two looks at a run of which nobody said that it changed, for trainers and
                other replicas write too.
            write_seconds: after which a client that takes nothing is dropped.
            check_seconds: between two looks at whether a client may still listen.
        """
        self._history, self._poll_seconds = history, poll_seconds
        self._heartbeat_seconds, self._write_seconds = heartbeat_seconds, write_seconds
        self._check_seconds = check_seconds
        self._channels: dict[str, Channel] = {}
        self._subscriptions: dict[Subscription, None] = {}
        self._executor = ThreadPoolExecutor(READERS, thread_name_prefix="live")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Clients that listen."""
        return len(self._subscriptions)

    def changed(self, run_id: str) -> None:
        """The history of a run changed. From any thread; returns at once."""
        if self._loop is not None and run_id in self._channels:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._changed, run_id)

    async def subscribe(
        self,
        run_id: str,
        cursor: Cursor,
        *,
        allowed: Callable[[], Ending | None] = lambda: None,
        abort: Callable[[], None] = lambda: None,
    ) -> Subscription:
        """What a run tells after a cursor; `close` it in the end. Raises HistoryError.

        Args:
            allowed: why the client may not listen any more, asked in a thread; may raise where nobody knows.
            abort: cuts the client's connection.
        """
        self._loop = asyncio.get_running_loop()
        channel = self._channels.get(run_id)
        if channel is None:
            channel = Channel(self._history, run_id, self._executor, self._poll_seconds)
            self._channels[run_id] = channel
        now = self._loop.time()
        subscription = Subscription(channel, Position(cursor), allowed, abort, beaten_at=now, checked_at=now)
        channel.listeners[subscription] = None
        self._subscriptions[subscription] = None
        try:
            await channel.open()
        except BaseException:
            self.close(subscription)
            raise
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick(), name="live")
        return subscription

    def close(self, subscription: Subscription, why: Ending = Ending.LEFT) -> None:
        """It is told no more."""
        subscription.end(why)
        self._subscriptions.pop(subscription, None)
        channel = subscription.channel
        channel.listeners.pop(subscription, None)
        if not channel.listeners and self._channels.get(channel.run_id) is channel:
            del self._channels[channel.run_id]
            channel.close()
        if not self._subscriptions and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def stop(self) -> None:
        """End all connections; clients come back to another replica, or to the next one of this."""
        for subscription in list(self._subscriptions):
            self.close(subscription, Ending.CLOSING)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _changed(self, run_id: str) -> None:
        if channel := self._channels.get(run_id):
            channel.changed()

    async def _tick(self) -> None:
        assert self._loop is not None
        pause = min(1.0, self._heartbeat_seconds / 4, self._write_seconds / 4, self._check_seconds / 4)
        while True:
            await asyncio.sleep(pause)
            now, due = self._loop.time(), []
            for each in list(self._subscriptions):
                if each.writing_since is not None and now - each.writing_since > self._write_seconds:
                    each.drop()
                elif now - each.beaten_at >= self._heartbeat_seconds:
                    each.beat(now)
                if now - each.checked_at >= self._check_seconds:
                    due.append(each)
            if due and (self._checking is None or self._checking.done()):
                self._checking = asyncio.create_task(self._check(due, now), name="live rights")

    async def _check(self, due: Iterable[Subscription], now: float) -> None:
        for each, ending in await asyncio.to_thread(_asked, due):
            each.checked_at = now
            if ending is not None:
                each.end(ending)


def _asked(due: Iterable[Subscription]) -> list[tuple[Subscription, Ending | None]]:
    """One after the other, until nobody can say; the rest is asked again soon."""
    found = []
    for each in due:
        try:
            found.append((each, each.allowed()))
        except Exception as error:  # noqa: BLE001 - an API server that is away withdraws no right
            LOGGER.info("cannot ask whether clients may still listen: %s", error)
            break
    return found

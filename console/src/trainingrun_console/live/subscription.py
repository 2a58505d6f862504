"""One client that listens to a run: how far it was told, and when its connection is to end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from trainingrun_console.live.channel import Channel, Position
from trainingrun_console.live.frames import HEARTBEAT, Batch


class Ending(Enum):
    """Why a client is told no more."""

    OVER = "the run has ended"
    LEFT = "the client has left"
    SLOW = "the client does not read"
    NOISY = "the client sends too much"
    UNKNOWN = "the session is over: log in again"
    FORBIDDEN = "the right to see the run was withdrawn"
    FORGOTTEN = "the run is no longer in the history"
    CLOSING = "the service stops"


def _nothing() -> None:
    pass


@dataclass(eq=False)
class Subscription:
    """An async iterator over what to send. It keeps nothing but a position: a slow client's messages do not
    pile up, they are made when it can take them."""

    channel: Channel
    position: Position
    allowed: Callable[[], Ending | None] = lambda: None
    """Asks, in a thread, whether the client may still listen. Raises where nobody can say."""
    abort: Callable[[], None] = _nothing
    """Cuts the connection, whatever is still to be sent."""
    ending: Ending | None = None
    writing_since: float | None = None
    """While the client is sent something; of the event loop's clock."""
    beaten_at: float = 0.0
    checked_at: float = 0.0
    _beat: bool = False
    _waiting: asyncio.Future[None] | None = field(default=None, repr=False)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch:
        self.writing_since = None
        while self.ending is None:
            batch, after = self.channel.batch(self.position)
            if batch.frames:
                self.position = after
                return self._writing(batch)
            if self.channel.is_over(self.position):
                self.end(Ending.FORGOTTEN if self.channel.view is None else Ending.OVER)
            elif self._beat:
                self._beat = False
                return self._writing(HEARTBEAT)
            else:
                self._waiting = asyncio.get_running_loop().create_future()
                try:
                    await self._waiting
                finally:
                    self._waiting = None
        self.writing_since = asyncio.get_running_loop().time()  # what closes the connection is written too
        raise StopAsyncIteration

    def wake(self) -> None:
        """There may be news."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def beat(self, now: float) -> None:
        """Have a heartbeat sent."""
        self.beaten_at, self._beat = now, True
        self.wake()

    def end(self, why: Ending) -> None:
        """Tell no more, beginning now; of several reasons the first one counts."""
        if self.ending is None:
            self.ending = why
            if self.writing_since is not None:
                self.abort()  # it may wait for a client that never reads
            self.wake()

    def drop(self) -> None:
        """The client does not read."""
        self.end(Ending.SLOW)
        self.abort()

    def _writing(self, batch: Batch) -> Batch:
        self.writing_since = asyncio.get_running_loop().time()
        return batch

"""Messages as bytes, made once for all who are told them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trainingrun_console.live.messages import Message


@dataclass(frozen=True)
class Frame:
    """One message in the forms of both protocols."""

    event: str
    id: str | None
    """None of a passing one."""
    text: str
    """JSON."""

    @classmethod
    def of(cls, message: Message, id: str | None = None) -> "Frame":
        """Of a message, durable where it has an id."""
        told = message if id is None else {**message, "id": id}
        # in ASCII, for texts of clusters can hold halves of surrogate pairs, which UTF-8 cannot
        return cls(message["event"], id, json.dumps(told, allow_nan=False, separators=(",", ":")))

    @property
    def sse(self) -> bytes:
        """An event of a stream of server-sent events."""
        place = "" if self.id is None else f"id: {self.id}\n"
        return f"{place}event: {self.event}\ndata: {self.text}\n\n".encode("ascii")


@dataclass(frozen=True)
class Batch:
    """What a client is sent at once."""

    frames: Sequence[Frame] = ()

    @cached_property
    def sse(self) -> bytes:
        """All of it."""
        return b"".join(frame.sse for frame in self.frames)

    @cached_property
    def websocket(self) -> Sequence[dict[str, Any]]:
        """The same as messages of ASGI, which nobody may change."""
        return [{"type": "websocket.send", "text": frame.text} for frame in self.frames]


class Beat(Batch):
    """Tells that the connection lives."""

    @property
    def sse(self) -> bytes:
        """A comment, which clients of server-sent events leave out."""
        return b": heartbeat\n\n"


HEARTBEAT = Beat((Frame("ping", None, '{"event":"ping"}'),))

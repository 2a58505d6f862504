"""The connection below ASGI, which has no word for cutting it off or for the end of the service.

A client that never reads keeps a closed connection open: what was written to it waits to be sent. And a
stream that never ends keeps the service from stopping. uvicorn is run with `http` set to `HttpProtocol`.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KEY = "wire"
BUFFER_BYTES = 64 << 10
"""Of a stream, in the process and in the kernel each, before its client counts as one that does not read."""
UNACKNOWLEDGED_MILLISECONDS = 30_000
"""After which a peer is dead that confirms nothing of what it was sent."""


def _nothing() -> None:
    pass


class Wire:
    """One connection."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self.stopping: Callable[[], None] = _nothing
        """Is called when the service is to stop."""

    @classmethod
    def of(cls, scope: Scope) -> "Wire":
        """That of a request; one without effect behind any other server."""
        found = scope.get("state", {}).get(KEY)
        return found if isinstance(found, Wire) else cls(None)

    def stream(self) -> None:
        """Bound what waits to be sent: a stream is many small messages."""
        if self._transport is None:
            return
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES)
        connection: socket.socket | None = self._transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):  # no TCP, or already gone
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
                if sys.platform == "linux":
                    connection.setsockopt(
                        socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS
                    )

    def abort(self) -> None:
        """Cut it, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's own, whose requests know their wire; WebSockets take it over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As there."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.wire = Wire(cast(asyncio.Transport, transport))
        self.app_state = {**self.app_state, KEY: self.wire}

    def shutdown(self) -> None:
        """As there; streams end."""
        super().shutdown()
        self.wire.stopping()

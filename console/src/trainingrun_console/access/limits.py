"""How much one caller may ask, and how large a request may be."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trainingrun_console.access.refusing import refuse
from trainingrun_console.api.problems import Problem

BODY_BYTES = 1 << 20
TARGET_BYTES = 8 << 10
"""Path and query."""
HEADER_BYTES = 32 << 10
"""All of them; a token may have some KiB."""
BURST_SECONDS = 4
MOST_CALLERS = 10_000
SERVER: dict[str, Any] = {
    "http": "httptools",
    "ws": "websockets-sansio",
    "ws_max_size": 64 << 10,
    "ws_per_message_deflate": False,  # memory and time for each of many connections
    "timeout_keep_alive": 30,
    "backlog": 2048,
    "server_header": False,
    "access_log": False,
}
"""Settings of uvicorn."""


class Callers:
    """A token bucket for each caller. Threads may share it."""

    def __init__(
        self,
        per_second: float,
        *,
        most: int = MOST_CALLERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            per_second: requests in the mean; a burst may be BURST_SECONDS times that.
            most: callers that are remembered; of more, those that called last.
        """
        self._rate, self._burst = per_second, max(1.0, per_second * BURST_SECONDS)
        self._most, self._clock = most, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def admit(self, name: str, cost: int = 1) -> None:
        """Raises Problem 429, which says when to come again. With cost 0 nothing is taken from the bucket."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(name, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            admitted = left >= 1
            self._buckets[name] = (left - cost if admitted else left, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        if not admitted:
            seconds = math.ceil((1 - left) / self._rate)
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"more than {self._rate:g} requests a second: come again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )


class SizeLimits:
    """ASGI middleware: refuses requests that are too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets through what is small enough."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = _too_large(scope)
        if problem is not None:
            await refuse(scope, receive, send, problem)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > BODY_BYTES:
                    # The one kind of error that the framework passes on while it reads a body.
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _BODY)
            return message

        await self._app(scope, counted, send)


_BODY = f"the body is larger than {BODY_BYTES} bytes"


def _too_large(scope: Scope) -> Problem | None:
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > TARGET_BYTES:
        return Problem(
            HTTPStatus.REQUEST_URI_TOO_LONG, f"path and query are longer than {TARGET_BYTES} bytes"
        )
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        return Problem(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the headers are larger than {HEADER_BYTES} bytes"
        )
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_BYTES:
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _BODY)
    return None

"""Refuses requests to names that are not this service's.

A page of another site can have its own name resolve to 127.0.0.1 and then read whatever is served there, as
if it were its own (DNS rebinding); the Host header still bears that name.
"""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from trainingrun_console.access.refusing import refuse
from trainingrun_console.api.problems import Problem

ANY = "*"


class AllowedHosts:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app, self._allowed = app, frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets through what is for us."""
        if scope["type"] not in ("http", "websocket") or ANY in self._allowed:
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if hostname(host) in self._allowed:
            await self._app(scope, receive, send)
            return
        detail = (
            f"this service is not called {host[:200]!r}: its names are {', '.join(sorted(self._allowed))}"
        )
        await refuse(scope, receive, send, Problem(HTTPStatus.MISDIRECTED_REQUEST, detail))


def hostname(host: str) -> str:
    """Without the port: [::1] of [::1]:8765."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()

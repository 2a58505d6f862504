"""A real server in a thread of the test, for what it streams."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import httpx
import uvicorn
from starlette.requests import HTTPConnection
from websockets.sync.client import ClientConnection, connect

from tests.helpers.console_scene import TableGate, User
from tests.helpers.ports import free_port
from trainingrun_console.access import proof
from trainingrun_console.access.caller import Caller
from trainingrun_console.access.limits import SERVER
from trainingrun_console.api.app import create_app
from trainingrun_console.console import Console
from trainingrun_console.history.store import History
from trainingrun_console.live.hub import Hub
from trainingrun_console.live.wire import HttpProtocol
from trainingrun_console.settings import Settings

BEARER = {"Authorization": "Bearer admin-token"}
SECONDS = 20.0


class WithdrawingGate(TableGate):
    """Of whom a test may take what they had."""

    revoked: bool = False
    withdrawn: bool = False

    def caller(self, request: HTTPConnection) -> Caller:
        if self.revoked:
            raise proof.unauthorized("the token has expired")
        found = super().caller(request)
        if self.withdrawn:
            return replace(found, user=User("admin"))  # type: ignore[type-var]
        return found


@dataclass
class Service:
    """One that runs in a thread of the test."""

    history: History
    hub: Hub
    gate: WithdrawingGate
    port: int = field(default_factory=free_port)

    @contextmanager
    def running(self) -> Iterator["Service"]:
        settings = Settings(loopback=False, namespaces=("radiology", "cardiology"), requests_per_second=1e6)
        app = create_app(Console(settings, self.history, self.hub, self.gate))
        options: dict[str, Any] = {**SERVER, "http": HttpProtocol, "log_level": "error", "lifespan": "off"}
        self.server = uvicorn.Server(uvicorn.Config(app, port=self.port, **options))
        thread = threading.Thread(target=self.server.run, daemon=True)
        thread.start()
        until(lambda: self.server.started)
        yield self
        self.server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive(), "streams that are open do not keep a service from stopping"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", **{"headers": BEARER, **options})

    @contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[Iterator[str]]:
        """Its lines."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with httpx.stream("GET", url, headers={**BEARER, **headers}, timeout=SECONDS) as answer:
            assert answer.status_code == HTTPStatus.OK
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["cache-control"] == "no-store"
            yield answer.iter_lines()

    def websocket(self, path: str, headers: dict[str, str] | None = None) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}{path}"
        given = BEARER if headers is None else headers
        opened: ClientConnection = connect(url, additional_headers=given, proxy=None)
        return opened


def until(holds: Callable[[], bool], every: float = 0.02) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(every)

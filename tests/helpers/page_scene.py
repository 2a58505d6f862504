"""A console over a made-up cluster, served in a thread, for what a browser shows of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.requests import HTTPConnection

from tests.helpers.made_up_cluster import MadeUpCluster
from tests.helpers.ports import free_port
from trainingrun_client.connection import Connection
from trainingrun_console.access import csrf
from trainingrun_console.access.caller import Caller, Gate
from trainingrun_console.api.app import create_app
from trainingrun_console.console import Console
from trainingrun_console.history.store import History
from trainingrun_console.live.hub import Hub
from trainingrun_console.live.wire import HttpProtocol
from trainingrun_console.settings import Settings

CSRF = "page-token"


@dataclass
class Anna:
    """A caller with the rights that a test gives her."""

    api: Connection
    refused: frozenset[str] = frozenset()
    """Verbs that she may not use."""
    name: str = "anna@example.com"
    csrf: str = CSRF

    def may(self, verb: str, namespace: str | None) -> bool:
        return verb not in self.refused

    def connection(self) -> Connection:
        return self.api


@dataclass
class OpenGate:
    """Lets her in without a proof, but no change without the token of her page."""

    anna: Anna

    def caller(self, request: HTTPConnection) -> Caller:
        csrf.check(request, self.anna.csrf)
        return self.anna


@dataclass
class Scene:
    """What a test looks at."""

    url: str
    history: History
    hub: Hub
    cluster: MadeUpCluster
    gate: Gate


@contextmanager
def serving(
    folder: Path,
    gate: Callable[[Connection, int], Gate] | None = None,
    refused: frozenset[str] = frozenset(),
) -> Iterator[Scene]:
    """The service in a thread of this process, with an empty history."""
    cluster, port = MadeUpCluster(), free_port()
    history = History.open(f"sqlite:///{folder}/history.db")
    with cluster.serving() as connection:
        settings = Settings(requests_per_second=1000)
        hub = Hub(history, poll_seconds=0.2)
        made = gate(connection, port) if gate else OpenGate(Anna(connection, refused))
        app = create_app(Console(settings, history, hub, made))
        config = uvicorn.Config(
            app,
            port=port,
            http=HttpProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            yield Scene(f"http://127.0.0.1:{port}", history, hub, cluster, made)
        finally:
            server.should_exit = True
            thread.join(20)
            history.close()

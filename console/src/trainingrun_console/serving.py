"""One service from its options to its end: socket, history, gate, hub, collector, application, server."""

import argparse
import asyncio
import gc
import logging
import os
import resource
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI

from trainingrun_api import names
from trainingrun_client.connection import Connection, connect
from trainingrun_client.errors import InputError
from trainingrun_console import browser, logs, options
from trainingrun_console.access.cluster_gate import ClusterGate
from trainingrun_console.access.limits import SERVER
from trainingrun_console.access.loopback_gate import LoopbackGate
from trainingrun_console.api.app import create_app
from trainingrun_console.collecting.collector import Collector
from trainingrun_console.console import Console
from trainingrun_console.database_file import database_file, make_private, url_of
from trainingrun_console.history.store import History, HistoryError
from trainingrun_console.listening import LOOPBACK, listen, url
from trainingrun_console.live.hub import Hub
from trainingrun_console.live.wire import HttpProtocol

LOGGER = logging.getLogger(__name__)
MOST_CONNECTIONS = 5000
"""As far as the shell lets us."""
BACKLOG = 4096
SPARE_FILES = 200
"""Besides connections: the database, watches, files that are sent."""
LAST_WORDS_SECONDS = 1
"""For answers that are under way when the service is to stop; streams end at once."""
STOP_SECONDS = 0.5
"""For what the collector writes just then; whatever it does not finish is found again."""
PAUSE_SECONDS = 5.0


def serve(given: argparse.Namespace) -> None:
    """Serve until a signal.

    Raises:
        TrainingRunError: no way to a cluster, or the port is taken.
        HistoryError: the database cannot be used; in a cluster it is waited for.
        OSError: the file of the history cannot be made.
    """
    style, level = ("json", "INFO") if given.in_cluster else ("text", "WARNING")
    logs.configure(given.log_format or style, given.log_level or level)
    connection = connect(given.context, given.kubeconfig)
    connection.client.user_agent = f"{options.PROGRAM}/{version('trainingrun')}"
    host = given.host or ("" if given.in_cluster else LOOPBACK)
    wanted = names.CONSOLE_PORT if given.port is None else given.port
    with closing(listen(host, wanted)) as listener, ExitStack() as stack:
        port = int(listener.getsockname()[1])
        history = stack.enter_context(closing(_history(given, connection)))
        settings = options.settings(given, connection.namespace)
        gate: ClusterGate | LoopbackGate
        if given.in_cluster:
            gate = ClusterGate(connection, secure=settings.secure_cookies)
            LOGGER.info("listening on port %d", port)
        else:
            gate = LoopbackGate(connection, port)
            stack.enter_context(_shown(f"{url(host, port)}/login#key={gate.key}", given))
        hub = Hub(history)
        collector = Collector(connection, history, settings, hub.changed)
        _run(Console(settings, history, hub, gate), collector, listener)


@contextmanager
def opened(given: argparse.Namespace, connection: Callable[[], Connection]) -> Iterator[History]:
    """The history that the options name. Raises HistoryError, OSError, and what `connection` raises."""
    with closing(_opened(given, connection)) as history:
        yield history


def application(console: Console, collector: Collector) -> FastAPI:
    """With what runs beside it: the collector, from the start to the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        collector.start()
        # A collection of all that was imported would now and then hold an answer up for 50 ms.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            console.hub.stop()
            # Its watches may wait for the API server much longer than anybody for the end of this service.
            stopping = threading.Thread(target=collector.stop, daemon=True)
            stopping.start()
            await asyncio.to_thread(stopping.join, STOP_SECONDS)

    return create_app(console, lifespan=lifespan)


def _run(console: Console, collector: Collector, listener: socket.socket) -> None:
    _allow_files(MOST_CONNECTIONS + SPARE_FILES)
    config = uvicorn.Config(
        logs.RequestLog(application(console, collector)),
        **{
            **SERVER,
            "http": HttpProtocol,
            "lifespan": "on",
            "log_config": None,
            "proxy_headers": False,  # anybody can send them
            "backlog": BACKLOG,
            "timeout_graceful_shutdown": LAST_WORDS_SECONDS,
        },
    )
    uvicorn.Server(config).run(sockets=[listener])


def _history(given: argparse.Namespace, connection: Connection) -> History:
    told = ""
    while True:
        try:
            return _opened(given, lambda: connection)
        except HistoryError as error:
            if not given.in_cluster:
                raise
            # To end would be punished with a longer pause each time.
            if str(error) != told:
                told = str(error)
                LOGGER.error("%s", error)
            time.sleep(PAUSE_SECONDS)


def _opened(given: argparse.Namespace, connection: Callable[[], Connection]) -> History:
    if given.database:
        return History.open(given.database)
    path = database_file(connection().host, os.environ)
    try:
        make_private(path)
    except OSError as error:
        raise InputError(
            f"the history cannot be kept in {path}: {error.strerror}; name another place by --database"
        ) from error
    return History.open(url_of(path))


@contextmanager
def _shown(page: str, given: argparse.Namespace) -> Iterator[None]:
    print(f"{page}\nThe key in this address is good once, for one browser. Ctrl-C ends the page.", flush=True)
    with ExitStack() as stack:
        if browser.wanted(given.no_browser):
            stack.enter_context(browser.opened(page))
        yield


def _allow_files(wanted: int) -> None:
    """A connection is a file, and shells allow 1024 of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

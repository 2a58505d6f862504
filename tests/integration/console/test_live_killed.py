"""The service is killed again and again while epochs are written: clients that come back with their last id
are told each epoch once and in order, on SQLite and on PostgreSQL."""

import json
import multiprocessing as mp
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.benchmarks.console_live import serve, until_open
from tests.benchmarks.console_live_clients import RUN, epoch
from tests.helpers.ports import free_port
from tests.integration.console.history_databases import history, history_server, history_url
from trainingrun_api.reasons import Phase
from trainingrun_console.history.store import History

__all__ = ["history", "history_server", "history_url"]
EPOCHS = 60
KILLS = 3
SECONDS = 120.0
AWAY = (httpx.TransportError, WebSocketException, OSError)
Heard = Iterator[dict[str, object]]


def by_sse(port: int, last: str) -> Heard:
    headers = {"Last-Event-ID": last} if last else {}
    url = f"http://127.0.0.1:{port}/runs/{RUN.run_id}/stream"
    with httpx.stream("GET", url, headers=headers, timeout=5) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def by_websocket(port: int, last: str) -> Heard:
    url = f"ws://127.0.0.1:{port}/?run_id={RUN.run_id}&last_event_id={last}"
    with connect(url, proxy=None, open_timeout=5) as websocket:
        for text in websocket:
            yield json.loads(text)


def listen(come: Callable[[int, str], Heard], port: int, heard: list[dict[str, object]]) -> None:
    """Until the end is told, however often the connection is lost."""
    deadline = time.monotonic() + SECONDS
    last = ""
    while time.monotonic() < deadline:
        try:
            with closing(come(port, last)) as messages:  # type: ignore[type-var]
                for message in messages:
                    if "id" in message:
                        last = str(message["id"])
                        heard.append(message)
        except AWAY:
            time.sleep(0.05)
        if heard and heard[-1]["event"] == "training_end":
            return


@pytest.mark.usefixtures("history")
def test_nobody_misses_or_doubles_an_epoch_while_the_service_is_killed(
    history: History, history_url: str
) -> None:
    history.save(RUN)
    port, context = free_port(), mp.get_context("spawn")
    heard: dict[Callable[[int, str], Heard], list[dict[str, object]]] = {by_sse: [], by_websocket: []}
    clients = [
        threading.Thread(target=listen, args=(come, port, told), daemon=True) for come, told in heard.items()
    ]
    for client in clients:
        client.start()
    written = 0
    for _ in range(KILLS + 1):
        service = context.Process(target=serve, args=(history_url, port, 0.1), daemon=True)
        service.start()
        try:
            until_open(port)
            for _ in range(EPOCHS // (KILLS + 1)):
                written += 1
                history.save_epochs(RUN.run_id, [epoch(written)])
                time.sleep(0.05)
            if written == EPOCHS:
                over = replace(RUN, phase=Phase.COMPLETED, completed_at=datetime.now(UTC))
                history.save(over)
                for client in clients:
                    client.join(SECONDS)
        finally:
            service.kill()  # SIGKILL
            service.join()
    for told in heard.values():
        assert [each["epoch"] for each in told if each["event"] == "epoch_end"] == list(range(1, EPOCHS + 1))
        assert [each["event"] for each in told].count("training_end") == 1
        assert len({each["id"] for each in told}) == len(told)

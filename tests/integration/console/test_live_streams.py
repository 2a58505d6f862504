"""Server-sent events and WebSockets of a real server: what comes, who is refused, and who is sent away."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import HTTPConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.helpers.console_scene import BUSY, DONE, EPOCHS, START, TableGate, User, fill, objects
from tests.helpers.ports import free_port
from trainingrun_api.reasons import Phase
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
Message = dict[str, Any]


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
        settings = Settings(
            database_url="", loopback=False, namespaces=("radiology", "cardiology"), requests_per_second=1e6
        )
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

    def websocket(self, path: str, headers: dict[str, str] | None = None, **more: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}{path}"
        return connect(url, additional_headers=BEARER if headers is None else headers, proxy=None, **more)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History.open(f"sqlite:///{tmp_path}/history.db") as opened:
        fill(opened)
        opened.save(replace(BUSY, started_at=START))
        yield opened


@pytest.fixture
def service(history: History) -> Iterator[Service]:
    hub = Hub(history, poll_seconds=0.05, heartbeat_seconds=0.2, write_seconds=1.0, check_seconds=0.2)
    with Service(history, hub, WithdrawingGate(objects())).running() as running:
        yield running


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """Events of a stream, by the rules of the standard."""
    told: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            told[name] = value
        elif told.get("data"):
            message = json.loads(told["data"])
            assert message["event"] == told["event"]
            assert message.get("id") == told.get("id")
            yield message
            told = {}


def epoch(number: int) -> Message:
    return {**EPOCHS[0], "epoch": number, "time": (START + timedelta(seconds=number)).isoformat()}


def names(told: list[Message]) -> list[str]:
    return [message["event"] for message in told]


STORY = [
    "training_start", "training_mode", "epoch_end", "epoch_end", "epoch_end", "training_complete", "training_end",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/runs/{}/stream", "/api/training/{}/stream"])
def test_a_stream_tells_all_then_ends_and_asks_nobody_to_come_back(service: Service, path: str) -> None:
    path = path.format(DONE.run_id)
    with service.stream(path) as lines:
        assert next(lines).startswith("retry: ")
        told = [message for message in messages(lines) if "id" in message]
    assert names(told) == STORY
    for place, message in enumerate(told[:-1]):
        with service.stream(path, **{"Last-Event-ID": message["id"]}) as lines:
            assert [each for each in messages(lines) if "id" in each] == told[place + 1 :]
    assert service.get(path, params={"last_event_id": told[-1]["id"]}).status_code == HTTPStatus.NO_CONTENT


def test_the_header_counts_more_than_the_parameter_of_the_first_request(service: Service) -> None:
    path = f"/runs/{DONE.run_id}/stream"
    with service.stream(path) as lines:
        told = [message["id"] for message in messages(lines) if "id" in message]
    with service.stream(f"{path}?last_event_id={told[0]}", **{"Last-Event-ID": told[-2]}) as lines:
        assert [message["event"] for message in messages(lines) if "id" in message] == ["training_end"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"headers": {**BEARER, "Last-Event-ID": "garbage"}}, "header.Last-Event-ID"),
        ({"params": {"last_event_id": "garbage"}}, "query.last_event_id"),
    ],
)
def test_an_id_that_is_none_is_refused_by_its_field(service: Service, given: Message, field: str) -> None:
    answer = service.get(f"/runs/{BUSY.run_id}/stream", **given)
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_both_protocols_tell_each_epoch_as_it_comes_with_heartbeats_between(service: Service) -> None:
    history = service.history
    with (
        service.stream(f"/runs/{BUSY.run_id}/stream") as lines,
        service.websocket(f"/?run_id={BUSY.run_id}") as websocket,
    ):
        assert ": heartbeat" in iter(lines)
        for number in range(1, 4):
            history.save_epochs(BUSY.run_id, [epoch(number)])
        history.save(replace(BUSY, phase=Phase.FAILED, reason="Oom", started_at=START))
        service.hub.changed(BUSY.run_id)
        events = [each for each in messages(lines) if "id" in each]
        frames = [json.loads(text) for text in websocket]
    durable = [each for each in frames if "id" in each]
    assert {"event": "ping"} in frames
    assert names(events) == [*["epoch_end"] * 3, "training_stopped", "training_end"]
    assert durable[2:] == events
    assert websocket.close_code == 1000


def test_pings_go_both_ways(service: Service) -> None:
    with service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket:
        assert websocket.ping().wait(SECONDS)
        for said in ("garbage", "[1]", '{"event":"else"}', '{"event":"ping"}'):
            websocket.send(said)
        until(lambda: json.loads(websocket.recv(SECONDS)) == {"event": "pong"})


def test_a_client_that_floods_is_sent_away(service: Service) -> None:
    with service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket, pytest.raises(ConnectionClosed):  # noqa: PT012
        for _ in range(1000):
            websocket.send('{"event":"ping"}')
        while True:
            websocket.recv(SECONDS)
    assert websocket.close_code == 1008


COOKIE = {"Cookie": "trainingrun=admin-token"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/runs/{BUSY.run_id}/ws", {}, 401),
        (f"/runs/{BUSY.run_id}/ws", {"Authorization": "Bearer viewer-token"}, 404),
        (f"/runs/{BUSY.run_id}/ws", {**COOKIE, "Origin": "http://elsewhere.test"}, 403),
        (f"/runs/{BUSY.run_id}/ws?last_event_id=garbage", BEARER, 400),
        ("/runs/nobody-00000000/ws", BEARER, 404),
        ("/", BEARER, 422),
    ],
)
def test_who_may_not_listen_is_refused_before_anything_is_told(
    service: Service, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused, service.websocket(path, headers):
        pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["status"] == status
    assert len(service.hub) == 0


def test_a_page_of_our_own_may_listen_by_its_cookie(service: Service) -> None:
    origin = {**COOKIE, "Origin": f"http://127.0.0.1:{service.port}"}
    with service.websocket(f"/runs/{BUSY.run_id}/ws", origin) as websocket:
        assert json.loads(websocket.recv(SECONDS))["event"] == "run_status"


@pytest.mark.parametrize(("what", "code"), [("revoked", 4401), ("withdrawn", 4403)])
def test_who_may_listen_no_more_hears_no_more(service: Service, what: str, code: int) -> None:
    with (
        service.stream(f"/runs/{BUSY.run_id}/stream") as lines,
        service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket,
    ):
        assert next(messages(lines))
        setattr(service.gate, what, True)
        assert "training_end" not in names(list(messages(lines)))
        with pytest.raises(ConnectionClosed):
            until(lambda: not websocket.recv(SECONDS))
        assert websocket.close_code == code


@pytest.mark.parametrize("path", ["stream", "ws"])
def test_who_never_reads_is_dropped_and_others_do_not_notice(service: Service, path: str) -> None:
    service.history.save_epochs(BUSY.run_id, [epoch(number) for number in range(1, 5001)])
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", service.port))
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    more = upgrade if path == "ws" else "Accept: */*"
    head = f"GET /runs/{BUSY.run_id}/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-token"
    deaf.sendall(f"{head}\r\n{more}\r\n\r\n".encode())
    until(lambda: len(service.hub) == 1)
    with service.stream(f"/runs/{BUSY.run_id}/stream") as lines:
        told = (each for each in messages(lines) if each["event"] == "epoch_end")
        assert [next(told)["epoch"] for _ in range(5000)] == list(range(1, 5001))
        until(lambda: len(service.hub) == 1)
        service.history.save_epochs(BUSY.run_id, [epoch(5001)])
        assert next(told)["epoch"] == 5001
    with pytest.raises(ConnectionResetError):
        while deaf.recv(1 << 20):
            pass
    deaf.close()


def test_who_leaves_is_forgotten(service: Service) -> None:
    with service.stream(f"/runs/{BUSY.run_id}/stream") as lines:
        assert next(messages(lines))
    with service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket:
        assert websocket.recv(SECONDS)
    until(lambda: len(service.hub) == 0)


def test_a_service_that_stops_ends_its_streams(history: History) -> None:
    with (
        Service(history, Hub(history), WithdrawingGate(objects())).running() as service,
        service.stream(f"/runs/{BUSY.run_id}/stream") as lines,
        service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket,
    ):
        told = messages(lines)
        assert next(told)
        service.server.should_exit = True
        assert "training_end" not in names(list(told))
        with pytest.raises(ConnectionClosed):
            until(lambda: not websocket.recv(SECONDS))
        assert websocket.close_code == 1012

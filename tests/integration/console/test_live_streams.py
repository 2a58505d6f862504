"""Server-sent events and WebSockets of a real server: what comes, who is refused, and who is sent away."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.helpers.console_scene import BUSY, DONE, EPOCHS, START, fill, objects
from tests.integration.console.live_service import BEARER, SECONDS, Service, WithdrawingGate, until
from trainingrun_api.reasons import Phase
from trainingrun_console.history.store import History
from trainingrun_console.live.hub import Hub

Message = dict[str, Any]


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


STORY = ["training_start", "training_mode", *["epoch_end"] * 3, "training_complete", "training_end"]


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
        frames: list[Message] = []
        while {"event": "ping"} not in frames:
            frames.append(json.loads(websocket.recv(SECONDS)))
        assert ": heartbeat" in iter(lines)
        for number in range(1, 4):
            history.save_epochs(BUSY.run_id, [epoch(number)])
        history.save(replace(BUSY, phase=Phase.FAILED, reason="Oom", started_at=START))
        service.hub.changed(BUSY.run_id)
        events = [each for each in messages(lines) if "id" in each]
        frames += [json.loads(text) for text in websocket]
    durable = [each for each in frames if "id" in each]
    assert names(events) == [*["epoch_end"] * 3, "training_stopped", "training_end"]
    assert durable[2:] == events
    assert websocket.close_code == 1000


def test_pings_go_both_ways(service: Service) -> None:
    with service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket:
        assert websocket.ping().wait(SECONDS)
        for said in ("garbage", "[1]", '{"event":"else"}', '{"event":"ping"}'):
            websocket.send(said)
        until(lambda: json.loads(websocket.recv(SECONDS)) == {"event": "pong"})


def flood(websocket: ClientConnection) -> None:
    for _ in range(100):
        websocket.send('{"event":"ping"}')
    until(lambda: not websocket.recv(SECONDS), every=0)


def test_a_client_that_floods_is_sent_away(service: Service) -> None:
    with service.websocket(f"/runs/{BUSY.run_id}/ws") as websocket, pytest.raises(ConnectionClosed):
        flood(websocket)
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
            until(lambda: not websocket.recv(SECONDS), every=0)
        assert websocket.close_code == code


@pytest.mark.parametrize("path", ["stream", "ws"])
def test_who_never_reads_is_dropped_and_others_do_not_notice(service: Service, path: str) -> None:
    service.history.save_epochs(BUSY.run_id, [epoch(number) for number in range(1, 5001)])
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", service.port))
    head = [
        f"GET /runs/{BUSY.run_id}/{path} HTTP/1.1",
        "Host: localhost",
        "Authorization: Bearer admin-token",
    ]
    if path == "ws":
        head += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        head += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    deaf.sendall("\r\n".join([*head, "", ""]).encode())
    until(lambda: len(service.hub) == 1)
    with service.stream(f"/runs/{BUSY.run_id}/stream") as lines:
        told = (each for each in messages(lines) if each["event"] == "epoch_end")
        assert [next(told)["epoch"] for _ in range(5000)] == list(range(1, 5001))
        until(lambda: len(service.hub) == 1)
        service.history.save_epochs(BUSY.run_id, [epoch(5001)])
        assert next(told)["epoch"] == 5001
    with deaf:
        received = b"".join(iter(lambda: deaf.recv(1 << 20), b""))
    assert received
    assert len(received) < 1 << 20, "what it did not read was not kept for it"


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
            until(lambda: not websocket.recv(SECONDS), every=0)
        assert websocket.close_code == 1012

"""Asking all pods of a run at once, over real sockets: each has an address of its own on the loopback."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server

import pytest

from tests.unit.operator.builders import dead_pod, raw_pod
from trainingrun_api import names, telemetry
from trainingrun_operator import pulse, scraper
from trainingrun_operator.heartbeats import Beat, Pulse
from trainingrun_operator.observed import Pod, pod_from

RANK_0, RANK_1 = (f'{telemetry.RANK_HEARTBEAT}{{rank="{rank}"}} 5{rank}\n' for rank in range(2))


def address(index: int) -> str:
    """Of the pod with this index, and of no other test's."""
    return f"127.{100 + index}.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"


def pod(index: int) -> Pod:
    return pod_from(raw_pod(index, podIP=address(index)))


@contextmanager
def serving(index: int, port: int, page: str) -> Iterator[None]:
    """A pod that answers so on a port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address(index), port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as found:
        yield found


def test_rank_0_and_every_pod_are_asked(pool: ThreadPoolExecutor) -> None:
    with (
        serving(0, names.METRICS_PORT, f"{telemetry.HEARTBEAT} 49\n"),
        serving(0, names.HEARTBEATS_PORT, RANK_0),
        serving(1, names.HEARTBEATS_PORT, RANK_1),
    ):
        found = pulse.take_pulse(pool, threading.Semaphore(), [pod(0), pod(1)])
    assert found == Pulse(49.0, {pod(0).name: (Beat(0, 50.0),), pod(1).name: (Beat(1, 51.0),)})


@pytest.mark.parametrize("page", [None, "", "no metrics {"], ids=["closed", "empty", "another page"])
def test_a_pod_that_does_not_tell_is_missing(pool: ThreadPoolExecutor, page: str | None) -> None:
    with serving(0, names.HEARTBEATS_PORT, RANK_0):
        if page is None:
            found = pulse.take_pulse(pool, threading.Semaphore(), [pod(0), pod(1)])
        else:
            with serving(1, names.HEARTBEATS_PORT, page):
                found = pulse.take_pulse(pool, threading.Semaphore(), [pod(0), pod(1)])
    assert found == Pulse(None, {pod(0).name: (Beat(0, 50.0),)})


def test_a_pod_that_takes_the_question_and_never_answers_does_not_hold_the_others_up(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a stopped main process does."""
    monkeypatch.setattr(scraper, "TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 0.5)
    began = time.monotonic()
    frozen = create_server((address(1), names.HEARTBEATS_PORT))
    with serving(0, names.HEARTBEATS_PORT, RANK_0), frozen:
        found = pulse.take_pulse(pool, threading.Semaphore(), [pod(0), pod(1)])
        assert time.monotonic() - began < 30
        frozen.close()
    assert found == Pulse(None, {pod(0).name: (Beat(0, 50.0),)})


def test_pods_that_do_not_run_are_not_asked(pool: ThreadPoolExecutor) -> None:
    ended = pod_from(dead_pod(0, podIP=address(0)))
    with serving(0, names.HEARTBEATS_PORT, RANK_0):
        assert pulse.take_pulse(pool, threading.Semaphore(), [ended]) == Pulse()


def test_whom_nobody_waits_for_any_more_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods that hang must not fill the threads that ask the other runs."""
    hangs, asked = threading.Event(), []

    def fetch(address: str, port: int) -> str:
        asked.append((address, port))
        hangs.wait()
        raise scraper.NoProgressError("timed out")

    monkeypatch.setattr(pulse, "fetch", fetch)
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 0.05)
    with ThreadPoolExecutor(1) as one_thread:
        assert pulse.take_pulse(one_thread, threading.Semaphore(), [pod(0), pod(1)]) == Pulse()
        hangs.set()
    assert asked == [(address(0), names.METRICS_PORT)]


def test_while_enough_runs_are_asked_another_is_not(pool: ThreadPoolExecutor) -> None:
    turns = threading.Semaphore(1)
    with turns:
        assert pulse.take_pulse(pool, turns, []) is None
    assert [pulse.take_pulse(pool, turns, []) for _ in range(2)] == [Pulse(), Pulse()]

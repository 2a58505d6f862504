"""Asking a trainer: over a real socket, because what matters is what goes wrong on one."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.unit.operator.builders import NOW, UID, dead_pod, raw_job, raw_pod, run
from trainingrun_api import names
from trainingrun_operator import scraper
from trainingrun_operator.observed import View, job_from, pod_from

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pod at 127.0.0.1 that answers so, on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(names, "METRICS_PORT", server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"trainer_epoch 3\n")


def not_found(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "http://169.254.169.254/latest/meta-data")
    handler.end_headers()


def binary(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"\xff\xfe")


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        return


def trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b"#")
            time.sleep(0.02)
    except OSError:
        return


def slow_header(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.flush_headers()
    try:
        for _ in range(1000):
            handler.wfile.write(b"x")
            time.sleep(0.02)
    except OSError:
        return


def not_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"hello\r\n")


def test_a_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(page, monkeypatch):
        assert scraper.fetch("127.0.0.1") == "trainer_epoch 3\n"


@pytest.mark.parametrize("answer", [not_found, redirect, binary, endless, trickle, slow_header, not_http])
def test_anything_else_is_no_progress_within_moments(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraper, "TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    with serving(answer, monkeypatch):
        with pytest.raises(scraper.NoProgressError):
            scraper.fetch("127.0.0.1")
        assert time.monotonic() - began < 5


def test_nobody_at_home_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "METRICS_PORT", 1)
    with pytest.raises(scraper.NoProgressError):
        scraper.fetch("127.0.0.1")


@pytest.mark.parametrize(
    ("view", "address"),
    [
        (View(run()), None),
        (View(run(), (job_from(raw_job()),)), None),
        (View(run(), (job_from(raw_job()),), (pod_from(raw_pod(1)),)), None),
        (View(run(), (job_from(raw_job()),), (pod_from(raw_pod(0)),)), "10.0.0.9"),
        (View(run(), (job_from(raw_job()),), (pod_from(raw_pod(0, podIP="")),)), None),
        (View(run(), (job_from(raw_job()),), (pod_from(dead_pod(0)),)), None),
        (View(run(), (job_from(raw_job("Complete")),), (pod_from(raw_pod(0)),)), None),
    ],
)
def test_only_the_running_master_of_an_active_job_is_asked(view: View, address: str | None) -> None:
    assert scraper.master_ip(view) == address


def test_a_defect_that_one_pod_brings_out_stops_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(run(), (job_from(raw_job()),), (pod_from(raw_pod()),))
    asked: list[str] = []

    def fetch(address: str) -> str:
        asked.append(address)
        raise RuntimeError("a defect")

    async def play() -> bool:
        with ThreadPoolExecutor(1) as pool:
            found = scraper.Scraper(lambda _: view, lambda _: None, pool, 0.001, lambda: NOW)
            found.follow(view.run.key, UID)
            worker = asyncio.create_task(found.work())
            async with asyncio.timeout(5):
                while len(asked) < 2 and not worker.done():
                    await asyncio.sleep(0.001)
            return worker.cancel()

    monkeypatch.setattr(scraper, "fetch", fetch)
    assert asyncio.run(play()), "the worker ended"

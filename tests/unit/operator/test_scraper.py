"""Asking a trainer: over a real socket, because what matters is what goes wrong on one."""

import asyncio
import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.unit.operator.builders import NOW, UID, dead_pod, raw_job, raw_pod, run
from trainingrun_api import telemetry
from trainingrun_operator import scraper
from trainingrun_operator.observed import job_from, pod_from
from trainingrun_operator.scrape import Scrape, parse
from trainingrun_operator.view import View

Answer = Callable[[BaseHTTPRequestHandler], None]
HUGE = 100 << 20
sent: list[int] = []
"""Bytes that a pod's writes took."""


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """A pod at 127.0.0.1 that answers so, on this port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
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


def huge(handler: BaseHTTPRequestHandler) -> None:
    """100 MB in one line."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(HUGE))
    handler.end_headers()
    try:
        for _ in range(HUGE >> 20):
            handler.wfile.write(b"x" * (1 << 20))
            sent.append(1 << 20)
    except OSError:
        return


def endless_header(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    try:
        while True:
            handler.send_header("X", "x" * 1000)
            handler.flush_headers()
    except OSError:
        return


def compressed(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(gzip.compress(b"trainer_epoch 3\n"))


def endless_chunk(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    try:
        handler.wfile.write(b"%x\r\n" % (1 << 60))
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


def test_a_page_is_read() -> None:
    with serving(page) as port:
        assert scraper.fetch("127.0.0.1", port) == "trainer_epoch 3\n"


@pytest.mark.parametrize(
    "answer",
    [
        not_found,
        redirect,
        binary,
        compressed,
        endless,
        huge,
        endless_chunk,
        endless_header,
        trickle,
        slow_header,
        not_http,
    ],
)
def test_anything_else_is_no_progress_within_moments(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraper, "TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    with serving(answer) as port:
        with pytest.raises(scraper.NoProgressError):
            scraper.fetch("127.0.0.1", port)
        assert time.monotonic() - began < 5


def test_of_100_megabytes_only_the_beginning_is_read() -> None:
    sent.clear()
    with serving(huge) as port, pytest.raises(scraper.NoProgressError, match="too long"):
        scraper.fetch("127.0.0.1", port)
    assert sum(sent) < HUGE / 2


def test_a_pod_that_takes_the_call_and_says_nothing_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraper, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(scraper.NoProgressError):
        scraper.fetch("127.0.0.1", silent.getsockname()[1])


def test_nobody_at_home_is_no_progress() -> None:
    with pytest.raises(scraper.NoProgressError):
        scraper.fetch("127.0.0.1", 1)


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
    master = scraper.master_of(view)
    assert (master.ip if master else None) == address


VIEW = View(run(), (job_from(raw_job()),), (pod_from(raw_pod()),))
Page = Callable[[], str]


async def asked(
    page: Page,
    times: int,
    follow: Callable[[scraper.Scraper], None],
    clock: Callable[[], datetime] | None = None,
) -> scraper.Scraper:
    """A scraper whose trainer served this page so many times; each look at the clock is a second later, where
    none is given."""
    seconds, answers = itertools.count(), 0

    def now() -> datetime:
        return NOW + timedelta(seconds=next(seconds))

    def fetch(address: str, port: int) -> str:
        nonlocal answers
        answers += 1
        return page()

    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scraper, "fetch", fetch)
        found = scraper.Scraper(lambda _: VIEW, lambda _: None, lambda _: None, pool, 0.001, clock or now)
        follow(found)
        worker = asyncio.create_task(found.work())
        async with asyncio.timeout(20):
            while answers <= times and not worker.done():
                await asyncio.sleep(0.001)
        assert worker.cancel(), "the worker ended"
        return found


def follow(found: scraper.Scraper) -> None:
    found.follow(VIEW.run.key, UID)


def pages(*texts: str) -> Page:
    """The pages one after the other; the last one again and again, and none where it is empty."""
    rest = itertools.chain(texts, itertools.repeat(texts[-1]))

    def serve() -> str:
        if not (text := next(rest)):
            raise scraper.NoProgressError("nobody answers")
        return text

    return serve


def test_a_defect_that_one_pod_brings_out_stops_no_worker() -> None:
    def broken() -> str:
        raise RuntimeError("a defect")

    asyncio.run(asked(broken, 2, follow))


def test_a_pod_that_hangs_keeps_no_other_from_being_asked() -> None:
    """As long as there are more workers than such pods; each is rid of it within TIMEOUT_SECONDS."""
    views = {(VIEW.run.namespace, name): VIEW for name in ("hangs", "answers")}
    asked: list[str] = []
    free = threading.Event()

    def ask(self: scraper.Scraper, master: object) -> Scrape:
        asked.append("one")
        if len(asked) == 1:
            free.wait(60)
        return parse("trainer_epoch 3\n", NOW)

    async def work() -> None:
        with ThreadPoolExecutor(2) as pool, pytest.MonkeyPatch.context() as patch:
            patch.setattr(scraper.Scraper, "_scrape", ask)
            found = scraper.Scraper(views.get, lambda _: None, lambda _: None, pool, 0.001, lambda: NOW)
            workers = [asyncio.create_task(found.work()) for _ in range(2)]
            for key in views:
                found.follow(key, UID)
            async with asyncio.timeout(20):
                while len(asked) < 5:
                    await asyncio.sleep(0.001)
            for worker in workers:
                worker.cancel()
            free.set()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("served", "heartbeat", "seen"),
    [
        (pages(f"{telemetry.HEARTBEAT} 7\n"), 7.0, 0),
        (pages(f"{telemetry.HEARTBEAT} 7\n", f"{telemetry.HEARTBEAT} 8\n"), 8.0, 1),
        (pages(f"{telemetry.HEARTBEAT} 7\n", ""), 7.0, 0),
        (pages("", f"{telemetry.HEARTBEAT} 7\n"), 7.0, 1),
        (pages(""), None, 0),
    ],
    ids=["unchanged", "changed", "went silent", "first answer", "never answered"],
)
def test_a_heartbeat_is_as_old_as_the_operator_has_known_it(
    served: Page, heartbeat: float | None, seen: int
) -> None:
    latest = asyncio.run(asked(served, 3, follow)).latest(VIEW.run.key, UID)
    assert latest is not None
    assert latest.heartbeat == heartbeat
    assert latest.heartbeat_seen_at is not None
    # A question that fails may look at the clock as well, once.
    assert 0 <= (latest.heartbeat_seen_at - NOW).total_seconds() - seen <= 1


@pytest.mark.parametrize(
    ("page", "later", "hears"),
    [
        ("trainer_epoch 3\n", timedelta(0), True),
        ("trainer_epoch 3\n", timedelta(milliseconds=3), True),
        ("trainer_epoch 3\n", timedelta(milliseconds=4), False),
        ("", timedelta(0), False),
    ],
    ids=["just now", "three turns ago", "longer ago", "never"],
)
def test_an_operator_hears_while_any_trainer_answers(page: str, later: timedelta, hears: bool) -> None:
    moment = NOW
    found = asyncio.run(asked(pages(page), 1, follow, lambda: moment))
    moment = NOW + later
    assert found.hears is hears


def test_the_answers_of_another_run_of_that_name_do_not_count() -> None:
    found = asyncio.run(asked(pages("trainer_epoch 3\n"), 1, follow))
    assert found.latest(VIEW.run.key, UID) is not None
    assert found.latest(VIEW.run.key, "another") is None
    found.forget(VIEW.run.key)
    assert found.latest(VIEW.run.key, UID) is None

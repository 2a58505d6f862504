"""Asks the trainers of running runs for their progress, and brings a run up for reconciliation when there is
news.

A queue of its own with workers of its own: a pod that answers slowly must not keep runs from being
reconciled. A program that serves no metrics is asked less and less often; the built-in trainer, which serves
them from the start, is asked at the same pace always. The last answer of an attempt stays when no more come:
it tells what the attempt reached, and since when it has been silent.
"""

import asyncio
import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from datetime import datetime

from trainingrun_api import names
from trainingrun_operator.observed import JobState, Key, Pod
from trainingrun_operator.scrape import Scrape, parse
from trainingrun_operator.times import seconds_between
from trainingrun_operator.view import View
from trainingrun_operator.workqueue import Backoff, WorkQueue

TIMEOUT_SECONDS = 2.0
PAGE_LIMIT = 1 << 17
"""Longest page that is read, in bytes; a trainer's has some ten thousand. Parsing costs the square of a
line's length."""
LONGEST_PAUSE_SECONDS = 300.0
"""Between two tries at a program that serves no metrics."""

HEARS_TURNS = 3
"""An operator that can reach trainers has had an answer within so many turns of asking them."""

log = logging.getLogger(__name__)


class NoProgressError(Exception):
    """A pod served no page of the trainer contract; the message says what happened instead."""


class Scraper:
    """The last answers of the trainers. Belongs to the event loop; only asking is done in threads."""

    def __init__(
        self,
        view: Callable[[Key], View | None],
        on_news: Callable[[Key], None],
        on_answer: Callable[[bool], None],
        pool: Executor,
        seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        """`seconds` is the pace; `on_news` is told the key of a run whose trainer answered, `on_answer` of
        each question whether it was answered."""
        self._view = view
        self._on_news = on_news
        self._on_answer = on_answer
        self._pool = pool
        self._seconds = seconds
        self._now = now
        self._queue = WorkQueue(time.monotonic, Backoff(seconds, LONGEST_PAUSE_SECONDS))
        self._followed: dict[Key, str] = {}
        self._answers: dict[Key, tuple[str, Scrape]] = {}
        self._heard_at: datetime | None = None

    def follow(self, key: Key, uid: str) -> None:
        """Starts asking the trainer of a run, where that is not done already."""
        if self._followed.get(key) != uid:
            self._followed[key] = uid
            self._queue.add(key)

    def latest(self, key: Key, uid: str) -> Scrape | None:
        """The last answer of the trainer of a run; an empty one while it has not answered."""
        of, scrape = self._answers.get(key, ("", None))
        return scrape if of == uid else None

    @property
    def hears(self) -> bool:
        """Whether any trainer answered of late."""
        if self._heard_at is None:
            return False
        return abs(seconds_between(self._heard_at, self._now())) <= HEARS_TURNS * self._seconds

    def forget(self, key: Key) -> None:
        """Drops the answers of a run that has ended, or no longer exists."""
        self._answers.pop(key, None)

    async def work(self) -> None:
        """Asks one trainer after the other, for ever."""
        while True:
            key = await self._queue.get()
            try:
                await self._ask(key)
            except Exception:
                # A defect that one pod brings out must not stop the others.
                log.exception("%s/%s: next try in %.1f s", *key, self._queue.failed(key))

    async def _ask(self, key: Key) -> None:
        master = master_of(view) if (view := self._view(key)) else None
        if view is None or master is None:
            self._followed.pop(key, None)
            self._queue.forget(key)
            self._queue.done(key)
            return
        try:
            scrape = await asyncio.get_running_loop().run_in_executor(self._pool, self._scrape, master)
            if scrape.empty:
                raise NoProgressError("the page holds none of the trainer's metrics")
        except (NoProgressError, ValueError) as error:
            log.debug("%s/%s serves no progress: %s", *key, error)
            self._on_answer(False)
            self._note_silence(key, view.run.uid, master)
            if "training" in view.run.spec:
                self._queue.done(key, self._seconds)
            else:
                self._queue.failed(key)
            return
        self._on_answer(True)
        self._heard_at = scrape.at
        self._answers[key] = view.run.uid, scrape.after(self.latest(key, view.run.uid))
        self._on_news(key)
        self._queue.done(key, self._seconds)

    def _scrape(self, master: Pod) -> Scrape:
        page = fetch(master.ip, names.METRICS_PORT)
        return parse(page, self._now(), master.attempt)

    def _note_silence(self, key: Key, uid: str, master: Pod) -> None:
        """An attempt that never answered has been silent since it was first asked."""
        before = self.latest(key, uid)
        if before is None or before.attempt != master.attempt:
            self._answers[key] = uid, Scrape(self._now(), master.attempt).after(None)
            self._on_news(key)


def master_of(view: View) -> Pod | None:
    """The running pod with index 0 of a run under way. Pure."""
    job, pods = view.current()
    if job is None or job.state != JobState.ACTIVE:
        return None
    return next((pod for pod in pods if pod.index == 0 and pod.phase == "Running" and pod.ip), None)


def fetch(address: str, port: int) -> str:
    """A page of metrics of a pod. No proxy, no redirect, bounded in time and size: the pod runs anybody's
    code.

    Raises NoProgressError.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.connect()
        # The timeout bounds a single read, and a pod may send a header byte by byte.
        alarm = threading.Timer(TIMEOUT_SECONDS, _hang_up, [connection.sock])
        alarm.start()
    except OSError as error:
        raise NoProgressError(str(error)) from error
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise NoProgressError(f"HTTP {response.status}")
        page = bytearray()
        while (chunk := response.read1(1 << 16)) and len(page) <= PAGE_LIMIT:
            page += chunk
        if len(page) > PAGE_LIMIT or time.monotonic() > deadline:
            raise NoProgressError("the page is too long or too slow")
        return page.decode()
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise NoProgressError(str(error)) from error
    finally:
        alarm.cancel()
        connection.close()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

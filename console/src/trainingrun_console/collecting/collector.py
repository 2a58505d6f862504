"""The threads that keep the history up with the cluster: watchers, workers, and one that forgets old runs.

Whatever is away, the API server or the database, what was heard is kept and done again until it is written;
what was not heard is found by a list. Nothing is asked of a cluster in which nothing happens.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from trainingrun_client.connection import Connection
from trainingrun_client.errors import TrainingRunError
from trainingrun_client.following import Change
from trainingrun_console.collecting.events import subject
from trainingrun_console.collecting.leniently import text
from trainingrun_console.collecting.news import News
from trainingrun_console.collecting.observed import run_id
from trainingrun_console.collecting.recording import NotYetError, Recorder
from trainingrun_console.collecting.watching import EVENTS_SECONDS, Watching, events, reason, runs
from trainingrun_console.collecting.work_queue import WorkQueue
from trainingrun_console.history.records import Filter
from trainingrun_console.history.store import History
from trainingrun_console.settings import Settings

LOGGER = logging.getLogger(__name__)
EVENTS = "events"
WORKERS = 4
PATIENCE = 4
"""How often the cluster is asked again for what it did not tell of a run that ended."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each further try, the last one again and again."""
RETENTION_SECONDS = 3600.0
STOP_SECONDS = 3.0
PAGE = 200


class Collector:
    """Of one service."""

    def __init__(
        self, connection: Connection, history: History, settings: Settings, changed: Callable[[str], None]
    ) -> None:
        """
        Args:
            connection: may list and watch TrainingRuns, Events and pods, and read logs.
            changed: is told of each run whose history changed, from any thread.
        """
        self._connection, self._history, self._settings = connection, history, settings
        self._recorder = Recorder(
            connection,
            history,
            changed,
            _now,
            mounted=settings.run_directories,
            keep_days=settings.keep_days,
        )
        self._queue = WorkQueue()
        self._lock = threading.Lock()
        self._news: dict[str, News] = {}
        self._failures: dict[str, int] = {}
        self._troubles: dict[str, str] = {}
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin. Returns at once; what is away is waited for."""
        for number in range(WORKERS):
            self._start(self._work, name=f"collector-{number}")
        for namespace in (None,) if self._settings.namespaces is None else self._settings.namespaces:
            self._start(self._watch_runs, namespace, name="watch-runs")
        self._start(self._forget, name="retention")

    def stop(self) -> None:
        """End within seconds. A watch that waits for the API server hears no more; its thread is a daemon."""
        self._stopped.set()
        self._queue.stop()
        end = monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def healthy(self) -> str | None:
        """What is wrong; None where the history keeps up with the cluster.

        Events are no part of it: whoever may not see them still has all else.
        """
        with self._lock:
            troubles = [f"{what}: {why}" for what, why in sorted(self._troubles.items()) if _vital(what)]
            return "; ".join(troubles) or None

    def _start(self, work: Callable[..., None], *arguments: object, name: str) -> None:
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch_runs(self, namespace: str | None) -> None:
        watched = "runs" if namespace is None else f"runs of {namespace}"
        watching = Watching(runs(self._connection, namespace), self._stopped, self._trouble(watched))
        begun = False

        def begin(objects: list[dict[str, Any]]) -> None:
            nonlocal begun
            self._reconcile(namespace, objects)
            if not begun:  # an event is written once its run is
                self._start(self._watch_events, namespace, name="watch-events")
            begun = True

        watching.follow(begin, self._hear)

    def _watch_events(self, namespace: str | None) -> None:
        watched = EVENTS if namespace is None else f"{EVENTS} of {namespace}"
        source = events(self._connection, namespace)
        watching = Watching(source, self._stopped, self._trouble(watched), EVENTS_SECONDS)

        def begin(objects: list[dict[str, Any]]) -> None:
            for raw in objects:
                hear(Change(raw))

        def hear(change: Change) -> None:
            uid = text(change.object, "metadata", "uid")
            if uid and not change.gone:
                self._add(subject(change.object), News(events={uid: change.object}))

        watching.follow(begin, hear)

    def _hear(self, change: Change) -> None:
        self._add(run_id(change.object["metadata"]), News(change.object, change.gone))

    def _reconcile(self, namespace: str | None, objects: list[dict[str, Any]]) -> None:
        """Take up what happened while nobody watched."""
        stored = self._not_deleted(namespace)
        present = {run_id(raw["metadata"]): raw for raw in objects}
        for key in stored - present.keys():
            self._add(key, News(gone=True))
        for key, raw in present.items():
            self._add(key, News(raw))

    def _not_deleted(self, namespace: str | None) -> set[str]:
        """Those of the history whose object should be there."""
        wanted = Filter(namespaces=None if namespace is None else [namespace], include_deleted=False)
        found: set[str] = set()
        cursor = None
        while True:
            page = self._history.runs(wanted, cursor=cursor, limit=PAGE)
            # A trainer outside of any cluster names no namespace.
            found |= {run.run_id for run in page.runs if run.namespace and run.deleted_at is None}
            cursor = page.next_cursor
            if cursor is None:
                return found

    def _add(self, key: str, news: News) -> None:
        with self._lock:
            self._news[key] = self._news[key].then(news) if key in self._news else news
        self._queue.put(key)

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            with self._lock:
                news = self._news.pop(key, None)
            if news is not None:
                self._handle(key, news)
            self._queue.done(key)

    def _handle(self, key: str, news: News) -> None:
        tries = self._failures.get(key, 0)
        try:
            self._recorder.record(key, news, patient=tries < PATIENCE)
        except (NotYetError, TrainingRunError) as error:
            LOGGER.info("%s: %s", key, error)
        except Exception as error:  # one run's trouble must not end the others' thread
            LOGGER.debug("%s", key, exc_info=error)
            self._trouble("history")(reason(error))
        else:
            self._failures.pop(key, None)
            self._trouble("history")(None)
            return
        self._failures[key] = tries + 1
        with self._lock:
            later = self._news.get(key)
            self._news[key] = news.then(later) if later else news
        self._queue.put(key, PAUSES[min(tries, len(PAUSES) - 1)])

    def _forget(self) -> None:
        # Without a limit too: the database looks after its indexes on this occasion.
        days, most = self._settings.keep_days, self._settings.keep_runs
        while not self._stopped.is_set():
            try:
                forgotten = self._history.prune(days, most, _now())
                if forgotten:
                    LOGGER.info("forgot %d runs that ended long ago", forgotten)
                self._trouble("retention")(None)
            except Exception as error:  # noqa: BLE001 - the database may be away; the next hour comes
                self._trouble("retention")(reason(error))
            self._stopped.wait(RETENTION_SECONDS)

    def _trouble(self, what: str) -> Callable[[str | None], None]:
        """Keeps what is wrong, and logs it when it begins and when it ends."""

        def tell(why: str | None) -> None:
            with self._lock:
                before = self._troubles.pop(what, None)
                if why is not None:
                    self._troubles[what] = why
            if why is not None and before is None:
                LOGGER.warning("%s: %s", what, why)
            elif why is None and before is not None:
                LOGGER.info("%s: well again", what)

        return tell


def _vital(what: str) -> bool:
    return not what.startswith(EVENTS)


def _now() -> datetime:
    return datetime.now(UTC)

"""Keeps all parts moving: workers take runs off the queue, reconcile them in threads and publish what came of
it.

Where several operators share a Lease, the others watch too, but their workers wait.

The indices, the queue and this class belong to the event loop, so nothing here needs a lock; requests to the
API server and to trainers block, so they are made in two pools of threads.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from socket import gethostname
from typing import Any
from uuid import uuid4

from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_operator import health, logs
from trainingrun_operator.children import Children
from trainingrun_operator.cluster import RUNS, ApiCluster, connect
from trainingrun_operator.conditions import ended
from trainingrun_operator.errors import LeaseLostError, OperatorError, UnavailableError
from trainingrun_operator.informer import Informer
from trainingrun_operator.leadership import Leadership
from trainingrun_operator.metrics import OperatorMetrics
from trainingrun_operator.metrics_page import RunSeries
from trainingrun_operator.observed import Key, Run
from trainingrun_operator.pacing import Pacing
from trainingrun_operator.plan import Image
from trainingrun_operator.pulse import take_pulse
from trainingrun_operator.reconciler import Outcome, Reconciler
from trainingrun_operator.resync import Resync
from trainingrun_operator.run_series import Shown
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.scraper import Scraper
from trainingrun_operator.settings import Settings
from trainingrun_operator.view import View
from trainingrun_operator.workqueue import WorkQueue, urgency

SCRAPERS = 8
"""Trainers that are asked at the same time; each answers or times out within seconds."""
PULSES = 4
"""Silent runs that are asked at the same time; each holds a worker for seconds where no pod answers."""
DEFINITION_POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


class Controller:
    """One operator process. To be made in the event loop that it is to run in."""

    def __init__(
        self,
        settings: Settings,
        informer: Informer,
        registry: CollectorRegistry,
        now: Callable[[], datetime],
    ) -> None:
        """`now` is the wall clock in UTC. Raises NoCredentialsError."""
        self._settings = settings
        self._now = now
        self._informer = informer
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(settings.workers, "reconcile")
        self._scrape_pool = ThreadPoolExecutor(SCRAPERS, "scrape")
        self.queue = WorkQueue(time.monotonic)
        self._pacing = Pacing(time.monotonic)
        self._elected = asyncio.Event()
        self._ready = asyncio.Event()
        """Set once the watches have brought everything."""
        self._metrics = OperatorMetrics(
            registry,
            self._leads,
            lambda: self.queue.depth + self._pacing.waiting if self._elected.is_set() else 0,
            lambda: now().timestamp() - (time.monotonic() - self._resync.compared),
            settings.resync_seconds,
        )
        self.series = RunSeries()
        self._leadership = self._candidate() if settings.lease else None
        # A retry that waits must not keep a stopping process.
        self._cluster = cluster = ApiCluster(
            connect(settings.workers), self._stopping.wait, self._metrics.count_request, self._leads
        )
        self._reconciler = Reconciler(
            cluster,
            Image(settings.trainer_image, settings.image_pull_policy),
            settings.progress_seconds,
            now,
            gethostname(),
            partial(take_pulse, self._scrape_pool, threading.Semaphore(PULSES)),
            settings.pod_defaults,
        )
        self._scraper = Scraper(
            informer.view,
            self.queue.add,
            self._metrics.count_scrape,
            self._scrape_pool,
            settings.progress_seconds,
            now,
        )
        self._resync = Resync(
            cluster,
            informer,
            settings.namespaces,
            self._pool,
            settings.resync_seconds,
            self.queue.add,
            self._metrics.count_mismatches,
        )
        # Connections of its own: each watch keeps one.
        watching = connect(2 * max(1, len(settings.namespaces)))
        self._children = Children(
            ApiCluster(watching, self._stopping.wait, self._metrics.count_request),
            informer,
            settings.namespaces,
            self.queue.add,
            self._stopping,
        )
        self._uids: dict[Key, str] = {}

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """What must run for ever; the end of one is the end of the operator."""
        return [
            *(self._work() for _ in range(self._settings.workers)),
            *(self._scraper.work() for _ in range(SCRAPERS)),
            self._children.work(),
            self._catch_up(),
            self._resync.work(),
            self._stand_for_election(),
        ]

    async def wait_for_definition(self) -> None:
        """Returns once the API server serves TrainingRuns.

        kopf looks once which kinds there are: what it does not find then, it never watches. A definition
        that was applied a moment ago, together with the operator, may take a moment to be served. Nor is the
        absence of the API server a reason to end: each restart would be punished with a longer pause.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                if await loop.run_in_executor(self._pool, self._cluster.serves, RUNS):
                    return
                log.info("waiting for the definition of %s", names.CRD_NAME)
            except UnavailableError as error:
                log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(DEFINITION_POLL_SECONDS)

    def seen(self, run: Run, *, gone: bool) -> None:
        """Takes note of an event of a run."""
        self._informer.seen(run, gone=gone)
        if gone or not self._reconciler.rests(run):
            self.queue.add(run.key)

    def problems(self) -> list[str]:
        """Why the operator should be restarted."""
        return health.problems(
            longest_work=self.queue.longest_work(),
            since_resync=time.monotonic() - self._resync.last,
            resync_seconds=self._settings.resync_seconds,
            unheard=self._resync.unheard,
        )

    def stop(self) -> None:
        """Lets waiting retries go and takes no more work; then another operator may."""
        self._stopping.set()
        self._scrape_pool.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=self._leadership is not None, cancel_futures=True)
        if self._leadership:
            self._leadership.end()

    def _leads(self) -> bool:
        return self._leadership is None or self._leadership.holds

    def _candidate(self) -> Leadership:
        namespace, _, name = self._settings.lease.partition("/")
        # Connections of its own: a renewal must not wait for a worker's request.
        cluster = ApiCluster(connect(1), self._stopping.wait, self._metrics.count_request)
        return Leadership(cluster, namespace, name, f"{gethostname()}_{uuid4()}", time.monotonic, self._now)

    async def _stand_for_election(self) -> None:
        """Lets the workers begin once this is the operator that works, and fails where it is no more."""
        if self._leadership is None:
            self._elected.set()
            return
        call, lost = asyncio.get_running_loop().call_soon_threadsafe, asyncio.Event()
        self._leadership.start(partial(call, self._elected.set), partial(call, lost.set))
        await lost.wait()
        raise LeaseLostError("another operator has taken over")

    async def _catch_up(self) -> None:
        await self._resync.catch_up()
        self._ready.set()
        await asyncio.Event().wait()  # the end of a loop is the end of the operator

    async def _work(self) -> None:
        await self._elected.wait()
        await self._ready.wait()
        while True:
            key = await self.queue.get()
            view = self._informer.view(key)
            for other in self._pacing.released(key, view):
                self.queue.add(other)
            if view is None:
                self._forget(key)
                self.queue.done(key)
            elif (wait := self._pacing.wait(key, view)) is not None:
                self.queue.done(key, wait)
            else:
                await self._step(key, view)

    async def _step(self, key: Key, view: View) -> None:
        if self._uids.setdefault(key, view.run.uid) != view.run.uid:
            self._forget(key)
            self._uids[key] = view.run.uid
        scrape = self._scraper.latest(key, view.run.uid)
        rivals = self._informer.rivals(view.run)
        loaded = self.queue.depth > self._settings.workers or self._pacing.waiting > 0
        began, result = time.monotonic(), "error"
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._reconcile, view, scrape, rivals, self._scraper.hears, loaded
            )
        except (OperatorError, ValidationError) as error:
            log.warning("%s/%s: %s; next try in %.1f s", *key, error, self.queue.failed(key))
        except Exception:
            # A defect that one run brings out must not stop the others.
            log.exception("%s/%s: next try in %.1f s", *key, self.queue.failed(key))
        else:
            result = "success"
            self._publish(key, view, outcome)
            self.queue.done(key, outcome.requeue_after, urgency(view.jobs))
        self._metrics.reconciled(result, time.monotonic() - began)

    def _reconcile(
        self, view: View, scrape: Scrape | None, rivals: tuple[View, ...], hears: bool, loaded: bool
    ) -> Outcome:
        attempt = view.run.status.get("attempt")
        with logs.about(namespace=view.run.namespace, run=view.run.name, attempt=attempt):
            return self._reconciler.reconcile(view, scrape, rivals, hears=hears, loaded=loaded)

    def _publish(self, key: Key, view: View, outcome: Outcome) -> None:
        if outcome.started and not view.run.spec.get("queue"):
            self._pacing.started(key)
        _, pods = view.current()
        self.series.publish(Shown(outcome.run or view.run, outcome.status, pods, self._now()))
        for record in outcome.ended:
            self._metrics.count_attempt(record.outcome, record.reason)
        if outcome.status.phase == Phase.RUNNING:
            self._scraper.follow(key, view.run.uid)
        elif ended(outcome.status):
            self._scraper.forget(key)
        self._wake(outcome.stirred)

    def _forget(self, key: Key) -> None:
        self.series.forget(key)
        self._scraper.forget(key)
        if uid := self._uids.pop(key, None):
            self._wake(self._reconciler.forget(uid))

    def _wake(self, project: Key | None) -> None:
        """The runs of a project are looked at at once, for one of them may go, or has other words to say."""
        for key in self._informer.members(project) if project else ():
            self.queue.add(key)

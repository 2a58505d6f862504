"""The Jobs and pods of all runs. A thread follows each kind; what it brings is kept for the informer, and put
on the work queue.

Stores and queue belong to the event loop; a thread reads, cuts an object down to its facts and hands them
over.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from trainingrun_api import names
from trainingrun_operator.cluster import JOBS, PODS, ApiCluster, Resource
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import Job, JobState, Key, Pod, Raw, job_from, pod_from
from trainingrun_operator.reflector import Changed, Listed, reflect
from trainingrun_operator.store import Store, T
from trainingrun_operator.workqueue import Add, urgency

END_SECONDS = 0.1
"""The pods of a gang end together: the news of that is gathered for so long and looked at once."""
START_SECONDS = 0.5
"""As long is gathered what happens to a Job and its pods on their way, which is much and mostly leads on."""


@dataclass(frozen=True)
class _Source:
    """One kind in one namespace, or in all."""

    cluster: ApiCluster
    resource: Resource
    namespace: str | None

    def list_all(self) -> tuple[list[dict[str, Any]], str]:
        return self.cluster.list_all(self.resource, self.namespace, names.RUN_LABEL)

    def watch(self, version: str) -> Iterator[dict[str, Any]]:
        return self.cluster.watch(self.resource, self.namespace, names.RUN_LABEL, version)


class Children:
    """Follows the Jobs and pods. To be made in the event loop."""

    def __init__(
        self,
        cluster: ApiCluster,
        informer: Informer,
        namespaces: Sequence[str],
        add: Add,
        stopping: threading.Event,
    ) -> None:
        """`cluster` has two connections for each namespace; none of `namespaces` means all."""
        self._cluster = cluster
        self._informer = informer
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._add = add
        self._stopping = stopping
        self._loop = asyncio.get_running_loop()

    async def work(self) -> None:
        """Follows them for ever; raises what a thread dies of."""
        jobs, pods = self._informer.jobs, self._informer.pods
        death: asyncio.Future[None] = self._loop.create_future()
        for namespace in self._namespaces:
            self._start(JOBS, namespace, job_from, jobs, self._on_job, death)
            self._start(PODS, namespace, pod_from, pods, self._on_pod, death)
        await death

    def _start(
        self,
        resource: Resource,
        namespace: str | None,
        facts: Callable[[Raw], T],
        store: Store[T],
        react: Callable[[Key, T, bool], None],
        death: "asyncio.Future[None]",
    ) -> None:
        def told(news: Listed | Changed) -> None:
            if isinstance(news, Listed):
                items = [(_run_key(body), facts(body)) for body in news.objects]
                self._hand_over(partial(self._on_list, namespace, items, store, react))
            else:
                item = facts(news.object)
                self._hand_over(partial(_on_change, _run_key(news.object), item, news.gone, store, react))

        def follow() -> None:
            try:
                reflect(_Source(self._cluster, resource, namespace), told, self._stopping)
            except Exception as error:  # noqa: BLE001 - the end of the whole operator
                self._hand_over(partial(_die, death, error))

        threading.Thread(target=follow, name=f"watch {resource.plural}", daemon=True).start()

    def _hand_over(self, work: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(work)

    def _on_list(
        self,
        namespace: str | None,
        items: list[tuple[Key, T]],
        store: Store[T],
        react: Callable[[Key, T, bool], None],
    ) -> None:
        for key, item in store.others(namespace, {item.uid for _, item in items}):
            _on_change(key, item, True, store, react)
        for key, item in items:
            _on_change(key, item, False, store, react)

    def _on_job(self, key: Key, job: Job, gone: bool) -> None:
        over = gone or job.state != JobState.ACTIVE
        self._add(key, 0.0 if over else START_SECONDS, urgency(self._informer.jobs.get(key, ())))

    def _on_pod(self, key: Key, pod: Pod, gone: bool) -> None:
        self._informer.heard(key, pod, gone=gone)
        ends = gone or pod.deletion or pod.disruption or not pod.alive
        # The last words of pods whose Job has ended may come after it.
        urgent = urgency(self._informer.jobs.get(key, ()))
        self._add(key, END_SECONDS if ends else START_SECONDS, urgent)


def _on_change(key: Key, item: T, gone: bool, store: Store[T], react: Callable[[Key, T, bool], None]) -> None:
    """Half of what happens to Jobs and pods changes nothing that a decision rests on."""
    if gone:
        store.drop(item.uid)
        react(key, item, gone)
    elif store.put(key, item):
        react(key, item, gone)


def _die(death: "asyncio.Future[None]", error: Exception) -> None:
    if not death.done():
        death.set_exception(error)


def _run_key(body: Raw) -> Key:
    meta = body["metadata"]
    return meta["namespace"], meta["labels"][names.RUN_LABEL]

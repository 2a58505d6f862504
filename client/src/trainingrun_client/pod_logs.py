"""The logs of a run's pods as one stream.

Without following, the lines of all pods are merged by the kubelet's time. Following, each pod has a thread
that reads its log and takes up again, by that time, where a connection was lost; a pod that comes later, as
that of the next attempt, joins in.
"""

import heapq
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from trainingrun_api import names
from trainingrun_client.connection import Collection, Connection, Resource
from trainingrun_client.errors import (
    ApiError,
    InvalidError,
    NotFoundError,
    TrainingRunError,
    UnreachableError,
)
from trainingrun_client.following import Change, follow
from trainingrun_client.log_lines import LogLine, parse
from trainingrun_client.run import TrainingRun

PODS = Resource("v1", "pods")
RUNS = Resource(names.API_VERSION, names.PLURAL)
SILENT_SECONDS = 60.0
"""After which a log is asked for again: it may be quiet, or its connection dead. Nothing is lost by that."""
PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PodPlace:
    """One pod of a run."""

    name: str
    attempt: int
    node: int
    started: bool
    """Whether its container is there, so that it may have a log."""
    ended: bool


class PodLogs:
    """Of one run."""

    def __init__(self, connection: Connection, run: TrainingRun) -> None:
        self._connection = connection
        self._run = run

    def pods(self, attempt: int | None = None) -> list[PodPlace]:
        """By attempt and node."""
        items, _ = self._connection.list(PODS.path(self._run.namespace), self._selector(attempt))
        return sorted((_place(item) for item in items), key=lambda pod: (pod.attempt, pod.node, pod.name))

    def lines(
        self,
        *,
        attempt: int | None = None,
        node: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[LogLine]:
        """In the order of their time; following, as they come, until the run is over."""
        if follow:
            yield from self._followed(attempt, node, tail)
            return
        query = {} if tail is None else {"tailLines": str(tail)}
        logs = [self._log(pod, query) for pod in self.pods(attempt) if node in (None, pod.node)]
        yield from heapq.merge(*logs, key=lambda line: line.time)

    def _log(self, pod: PodPlace, query: Mapping[str, str]) -> Iterator[LogLine]:
        path = PODS.path(self._run.namespace, pod.name, "log")
        wanted = {"container": names.CONTAINER_NAME, "timestamps": "true", **query}
        # A pod may be gone by now, or its container not there yet.
        with suppress(NotFoundError, InvalidError):
            for raw in self._connection.lines(path, wanted, SILENT_SECONDS):
                yield parse(raw.decode(errors="replace"), pod.attempt, pod.node)

    def _followed(self, attempt: int | None, node: int | None, tail: int | None) -> Iterator[LogLine]:
        arrived: _Arrivals = queue.SimpleQueue()
        leaving = threading.Event()
        known: dict[str, PodPlace] = {}
        waiting: list[PodPlace] = []
        reading: set[str] = set()

        def begin(pod: PodPlace) -> None:
            if pod.started and pod.name not in known and node in (None, pod.node):
                known[pod.name] = pod
                waiting.append(pod)
            proceed()

        def proceed() -> None:
            """An attempt is read once those before it are."""
            first = min((known[name].attempt for name in reading), default=None)
            first = min((pod.attempt for pod in waiting), default=None) if first is None else first
            for pod in [pod for pod in waiting if pod.attempt == first]:
                waiting.remove(pod)
                reading.add(pod.name)
                _start(self._read, pod, tail, arrived, leaving)

        for pod in self.pods(attempt):
            begin(pod)

        _start(self._watch_pods, attempt, arrived, leaving)
        _start(self._watch_run, attempt, arrived, leaving)
        over = False
        try:
            while not over or reading or waiting:
                match arrived.get():
                    case LogLine() as line:
                        yield line
                    case PodPlace() as pod:
                        begin(pod)
                    case _Read(name):
                        reading.discard(name)
                        proceed()
                    case _Over(pods):
                        over = True
                        for pod in pods:
                            begin(pod)
                    case TrainingRunError() as error:
                        raise error
        finally:
            leaving.set()

    def _watch_pods(self, attempt: int | None, arrived: "_Arrivals", leaving: threading.Event) -> None:
        source = Collection(self._connection, PODS.path(self._run.namespace), self._selector(attempt))
        for change in _until(leaving, source, arrived):
            if not change.gone:
                arrived.put(_place(change.object))

    def _watch_run(self, attempt: int | None, arrived: "_Arrivals", leaving: threading.Event) -> None:
        """Until no more pods will come."""
        query = {"fieldSelector": f"metadata.name={self._run.name}"}
        source = Collection(self._connection, RUNS.path(self._run.namespace), query)
        over = self._is_over(self._run, attempt)
        for change in () if over else _until(leaving, source, arrived, known=[self._run.raw]):
            if change.gone or self._is_over(TrainingRun(change.object), attempt):
                break
        try:
            arrived.put(_Over(self._last_pods(attempt, leaving)))
        except TrainingRunError as error:
            arrived.put(error)

    def _is_over(self, run: TrainingRun, attempt: int | None) -> bool:
        ended = attempt is not None and any(each.number == attempt for each in run.status.attempts or ())
        return run.uid != self._run.uid or run.finished or ended

    def _last_pods(self, attempt: int | None, leaving: threading.Event) -> list[PodPlace]:
        """All that there are, for the watch of pods may be behind."""
        while not leaving.is_set():
            with suppress(UnreachableError):
                return self.pods(attempt)
            leaving.wait(PAUSE_SECONDS)
        return []

    def _selector(self, attempt: int | None) -> dict[str, str]:
        of_attempt = "" if attempt is None else f",{names.ATTEMPT_LABEL}={attempt}"
        return {"labelSelector": f"{names.UID_LABEL}={self._run.uid}{of_attempt}"}

    def _read(
        self,
        pod: PodPlace,
        tail: int | None,
        arrived: "_Arrivals",
        leaving: threading.Event,
    ) -> None:
        try:
            self._read_all(pod, tail, arrived, leaving)
        except ApiError as error:
            arrived.put(error)
        finally:
            arrived.put(_Read(pod.name))

    def _read_all(
        self, pod: PodPlace, tail: int | None, arrived: "_Arrivals", leaving: threading.Event
    ) -> None:
        last = ""
        query = {"follow": "true", **({} if tail is None else {"tailLines": str(tail)})}
        while not leaving.is_set():
            try:
                # The server takes whole seconds, so what is known of that second comes again.
                since = {"sinceTime": last[:19] + "Z"} if last else {}
                for line in self._log(pod, {**query, **since}):
                    if leaving.is_set():
                        return
                    if line.time > last:
                        last = line.time
                        query.pop("tailLines", None)
                        arrived.put(line)
                if self._has_ended(pod):
                    return
            except UnreachableError:
                pass
            leaving.wait(PAUSE_SECONDS)

    def _has_ended(self, pod: PodPlace) -> bool:
        try:
            return _place(self._connection.get(PODS.path(self._run.namespace, pod.name))).ended
        except NotFoundError:
            return True


@dataclass(frozen=True, slots=True)
class _Read:
    """A pod's log is read to its end."""

    pod: str


@dataclass(frozen=True, slots=True)
class _Over:
    """No more pods will come than these."""

    pods: list[PodPlace]


_Arrivals = queue.SimpleQueue["LogLine | PodPlace | _Read | _Over | TrainingRunError"]


def _until(
    leaving: threading.Event,
    source: Collection,
    arrived: _Arrivals,
    known: Iterable[Mapping[str, Any]] = (),
) -> Iterator[Change]:
    """Changes, as long as somebody listens."""
    try:
        for change in follow(source, known=known):
            if leaving.is_set():
                return
            if isinstance(change, Change):
                yield change
    except TrainingRunError as error:
        arrived.put(error)


def _start(run: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, daemon=True).start()


def _place(pod: Mapping[str, Any]) -> PodPlace:
    meta, status = pod["metadata"], pod.get("status") or {}
    labels = meta.get("labels") or {}
    states = [each.get("state") or {} for each in status.get("containerStatuses") or ()]
    return PodPlace(
        name=meta["name"],
        attempt=int(labels.get(names.ATTEMPT_LABEL, 0)),
        node=int(labels.get(names.COMPLETION_INDEX_LABEL, 0)),
        started=any("running" in state or "terminated" in state for state in states),
        ended=status.get("phase") in ("Succeeded", "Failed"),
    )

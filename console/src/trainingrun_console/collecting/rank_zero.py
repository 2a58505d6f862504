"""The pods of a run that held its rank 0: their logs, and the metrics page of the one that runs."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import urllib3

from trainingrun_api import names
from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import ApiError, ForbiddenError, InvalidError, NotFoundError, UnreachableError
from trainingrun_client.log_lines import LogLine, parse
from trainingrun_console.collecting.leniently import mapping, text

PODS = Resource("v1", "pods")
IN_CLUSTER = "in-cluster"
"""Name of the context of a pod's service account."""
READ_SECONDS = 10.0
LONGEST = 60.0
"""Seconds of one reading of a log; what is left comes with the next."""
LONGEST_TIME = 64
"""Bytes in which the kubelet's time at the beginning of a line stands."""
PAGE_SECONDS = 3.0
LARGEST_PAGE = 1 << 20
KEYS = (b'"epoch"', b'"results"')
"""One of them stands in each line that matters."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One that held rank 0."""

    name: str
    attempt: int
    address: str | None
    """Its IP, while it has one."""
    runs: bool


class RankZero:
    """Of one run. Remembers how far each log was read and kept."""

    def __init__(self, connection: Connection, namespace: str, uid: str) -> None:
        self._connection, self._namespace = connection, namespace
        self._query = {"labelSelector": f"{names.UID_LABEL}={uid},{names.COMPLETION_INDEX_LABEL}=0"}
        self._pods: Sequence[Pod] = ()
        self._read: dict[str, str] = {}
        self._kept: dict[str, str] = {}

    def lines(self, attempts: Sequence[int] | None) -> list[LogLine]:
        """Those that may tell of epochs or results, since those that were kept; None: of all attempts.

        Raises:
            ApiError: a kubelet does not answer, or the pods may not be listed.
            UnreachableError: the API server does not answer.
        """
        if attempts is None or any(not self._of(attempt, runs=False) for attempt in attempts):
            self._look()
        wanted = [pod for pod in self._pods if attempts is None or pod.attempt in attempts]
        return [line for pod in wanted for line in self._log(pod)]

    def keep(self) -> None:
        """What was read is stored, and need not be read again."""
        self._kept |= self._read

    def page(self, attempt: int) -> str | None:
        """The metrics of an attempt's rank 0 now; None where it serves none."""
        try:
            if not self._of(attempt, runs=True):
                self._look()
            pods = self._of(attempt, runs=True)
            return self._page(pods[-1]) if pods else None
        except (ApiError, UnreachableError, urllib3.exceptions.HTTPError):
            return None

    def _of(self, attempt: int, *, runs: bool) -> list[Pod]:
        return [pod for pod in self._pods if pod.attempt == attempt and (pod.runs or not runs)]

    def _look(self) -> None:
        items, _ = self._connection.list(PODS.path(self._namespace), self._query)
        self._pods = sorted((_pod(item) for item in items), key=lambda pod: (pod.attempt, pod.name))

    def _log(self, pod: Pod) -> Iterator[LogLine]:
        path = PODS.path(self._namespace, pod.name, "log")
        last = self._kept.get(pod.name, "")
        # The server takes whole seconds, so what is known of that second comes again.
        since = {"sinceTime": last[:19] + "Z"} if last else {}
        query = {"container": names.CONTAINER_NAME, "timestamps": "true", **since}
        end = monotonic() + LONGEST
        newest = last.encode()
        # The pod is gone, its container not there yet, or its log not for this service.
        with suppress(NotFoundError, InvalidError, ForbiddenError):
            for raw in self._connection.lines(path, query, READ_SECONDS):
                newest = raw[:LONGEST_TIME]
                if any(key in raw for key in KEYS):
                    yield parse(raw.decode(errors="replace"), pod.attempt, 0)
                if monotonic() > end:
                    break
        self._read[pod.name] = newest.partition(b" ")[0].decode(errors="replace")

    def _page(self, pod: Pod) -> str:
        if self._connection.context == IN_CLUSTER and pod.address:
            host = f"[{pod.address}]" if ":" in pod.address else pod.address
            url = f"http://{host}:{names.METRICS_PORT}/metrics"
            with urllib3.PoolManager(retries=False, timeout=PAGE_SECONDS) as pool:
                answer = pool.request("GET", url, preload_content=False, redirect=False)
                page = answer.read(LARGEST_PAGE) if answer.status == 200 else b""
                answer.close()
        else:
            path = f"{PODS.path(self._namespace, pod.name)}:{names.METRICS_PORT}/proxy/metrics"
            page = b""
            for line in self._connection.lines(path, {}, PAGE_SECONDS):
                page += line + b"\n"
                if len(page) > LARGEST_PAGE:
                    break
        return page.decode(errors="replace")


def _pod(item: dict[str, Any]) -> Pod:
    attempt = text(item, "metadata", "labels", names.ATTEMPT_LABEL) or ""
    return Pod(
        name=item["metadata"]["name"],
        attempt=int(attempt) if attempt.isdecimal() else 0,
        address=text(item, "status", "podIP"),
        runs=mapping(item, "status").get("phase") == "Running",
    )

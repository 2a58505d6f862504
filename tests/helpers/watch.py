"""Watches objects through kubectl and stamps each event with the time of its arrival.

Timestamps inside Kubernetes objects have whole seconds; latencies below a second need a clock of one's own.
Both ends of a latency are then seen by the same client, so its own delay falls out.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.cluster.api import Cluster

Object = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One watch event."""

    at: float
    """Seconds of the monotonic clock."""
    type: str
    """ADDED, MODIFIED or DELETED."""
    object: Object


class Following:
    """`kubectl get -w` beside the block; each line is given to `arrived` in a thread of its own."""

    def __init__(self, cluster: Cluster, namespace: str, kind: str, *options: str) -> None:
        kubectl = [str(cluster.binary("kubectl")), f"--kubeconfig={cluster.kubeconfig}"]
        self._command = [*kubectl, "get", kind, "-n", namespace, "-w", *options]

    def arrived(self, line: str) -> None:
        """Told every line."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.arrived(line)


class Table(Following):
    """What a user sees who follows a kind in a terminal."""

    def __init__(self, cluster: Cluster, namespace: str, kind: str) -> None:
        super().__init__(cluster, namespace, kind)
        self.lines: list[str] = []

    def arrived(self, line: str) -> None:
        self.lines.append(line)


class Watch(Following):
    """Events of one kind in one namespace, or of one object alone, from the start of the block on."""

    def __init__(self, cluster: Cluster, namespace: str, kind: str, name: str = "") -> None:
        # Not by its name: kubectl would keep back a change between its own first look and the watch.
        one = [f"--field-selector=metadata.name={name}"] if name else []
        super().__init__(cluster, namespace, kind, *one, "-o", "json", "--output-watch-events")
        self._events: list[Seen] = []
        self._changed = threading.Condition()

    def arrived(self, line: str) -> None:
        event = json.loads(line)
        with self._changed:
            self._events.append(Seen(time.monotonic(), event["type"], event["object"]))
            self._changed.notify_all()

    def events(self) -> list[Seen]:
        """What has arrived so far."""
        with self._changed:
            return list(self._events)

    def wait_for(self, enough: Callable[[list[Seen]], bool], seconds: float) -> list[Seen]:
        """Events up to now, once `enough` of them came. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self._events), seconds):
                raise TimeoutError(f"not seen within {seconds} s; {len(self._events)} events came")
            return list(self._events)


def first_times(
    events: list[Seen], key: Callable[[Object], str], holds: Callable[[Object], bool]
) -> dict[str, float]:
    """For each key, when the first object for which `holds` is true arrived."""
    times: dict[str, float] = {}
    for event in events:
        if event.type != "DELETED" and holds(event.object):
            times.setdefault(key(event.object), event.at)
    return times

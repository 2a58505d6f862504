"""One run on the cluster while it is struck: its pods, its ranks' processes and its files."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.chaos.reader import Reader
from tests.chaos.workload import Shape
from tests.cluster.api import Cluster, ClusterError
from tests.cluster.containers import Container
from tests.helpers.runs import Object, Runs
from trainingrun_api import names
from trainingrun_trainer.launch import process_name

Found = TypeVar("Found")


class NeverCameError(Exception):
    """What was waited for did not happen; the message says what."""


def wait_for(what: str, look: Callable[[], Found | None], seconds: float, every: float = 0.05) -> Found:
    """The first thing that `look` finds. Raises NeverCameError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(every)
    raise NeverCameError(f"{what} did not come within {seconds:.0f} s")


@dataclass(frozen=True)
class Target:
    """A rank's process, and where it runs."""

    rank: int
    pid: int
    pod: str
    node: str
    container: Container


@dataclass(frozen=True)
class Scene:
    """A run and what is needed to reach into it."""

    runs: Runs
    reader: Reader
    name: str
    claim: str
    shape: Shape
    folder: Path
    """The run's directory on this machine."""

    @property
    def cluster(self) -> Cluster:
        return self.runs.cluster

    def pods(self, attempt: int) -> dict[int, Object]:
        """The pods of an attempt, by their index."""
        of_attempt = f"{names.RUN_LABEL}={self.name},{names.ATTEMPT_LABEL}={attempt}"
        return {
            int(pod["metadata"]["labels"][names.COMPLETION_INDEX_LABEL]): pod
            for pod in self.runs.items("pods", of_attempt)
        }

    def target(self, rank: int, attempt: int = 1) -> Target | None:
        """A rank of an attempt; None while its process does not exist."""
        pod = self.pods(attempt).get(self.shape.pod_of(rank))
        if pod is None or pod["status"].get("phase") != "Running":
            return None
        name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
        try:
            container = self.cluster.container(self.runs.namespace, name)
            processes = container.processes()
        except ClusterError:  # it starts or ends in this moment
            return None
        found = [process.pid for process in processes if process.name == process_name(rank)]
        return Target(rank, min(found), name, node, container) if found else None

"""Creates TrainingRuns on the test cluster, follows them and reads what became of them."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import Cluster
from tests.helpers.watch import Seen, Watch
from trainingrun_api import names

Object = dict[str, Any]

WATCH_SECONDS = 20
"""How long one watch is trusted: kubectl may have ended unnoticed."""


def manifest(name: str, spec: Object) -> Object:
    """A TrainingRun object."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": spec,
    }


@dataclass(frozen=True)
class Runs:
    """TrainingRuns and their children in one namespace."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *args: str, input: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *args, input=input)

    def apply(self, *objects: Object) -> None:
        """As a user would: kubectl apply."""
        self.kubectl(
            "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def get(self, kind: str, name: str) -> Object:
        document: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return document

    def items(self, kind: str, selector: str = "") -> list[Object]:
        args = ["-l", selector] if selector else []
        found: list[Object] = json.loads(self.kubectl("get", kind, *args, "-o", "json"))["items"]
        return found

    def children(self, run: str) -> dict[str, list[Object]]:
        """Jobs, pods, services and claims of one run."""
        selector = f"{names.RUN_LABEL}={run}"
        return {
            kind: self.items(kind, selector)
            for kind in ("jobs", "pods", "services", "persistentvolumeclaims")
        }

    def status(self, run: str) -> Object:
        status: Object = self.get("trainingrun", run).get("status", {})
        return status

    def wait(self, run: str, *phases: str, seconds: float) -> Object:
        """The run's status once it is in one of the phases. Raises TimeoutError with the last one."""
        return self.wait_until(run, lambda status: status.get("phase") in phases, f"in {phases}", seconds)

    def wait_until(self, run: str, holds: Callable[[Object], bool], what: str, seconds: float) -> Object:
        """The first status of the run for which `holds` is true. Raises TimeoutError that tells the last one.

        It watches, for a kubectl every half a second takes a sixth of a core from what is waited for.
        """
        deadline = time.monotonic() + seconds
        status = self.status(run)
        while not holds(status):
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{run} was not {what} within {seconds} s: {json.dumps(status, indent=1)}")
            seen = self._statuses(run, holds, min(left, WATCH_SECONDS))
            status = next(filter(holds, seen), seen[-1] if seen else status)
        return status

    def _statuses(self, run: str, holds: Callable[[Object], bool], seconds: float) -> list[Object]:
        """The statuses of the run from now on until one holds, or for some seconds."""

        def status(event: Seen) -> Object:
            found: Object = event.object.get("status", {})
            return found

        with Watch(self.cluster, self.namespace, names.SINGULAR, run) as watch:
            with suppress(TimeoutError):
                watch.wait_for(lambda events: any(holds(status(event)) for event in events), seconds)
            return [status(event) for event in watch.events()]

"""Creates TrainingRuns on the test cluster, follows them and reads what became of them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.cluster.api import Cluster
from trainingrun_api import names

Object = dict[str, Any]


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
        """The run's status once `holds(status)`. Raises TimeoutError that tells the last status."""
        deadline = time.monotonic() + seconds
        status: Object = {}
        while time.monotonic() < deadline:
            status = self.status(run)
            if holds(status):
                return status
            time.sleep(0.5)
        raise TimeoutError(f"{run} was not {what} within {seconds} s: {json.dumps(status, indent=1)}")

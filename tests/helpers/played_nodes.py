"""Plays the nodes of the test cluster: pods that no node takes run and end when a test says so.

The API server, the Job controller and the garbage collector are the real ones. Only scheduler and kubelet are
played, by writing the status of pods as a kubelet would: that takes milliseconds where a container takes a
second, and each step waits until the operator has told the one before. So the same run makes the same writes
in the same order each time, which is what numbers them.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trainingrun_api import names

Object = dict[str, Any]
Deed = int | Literal["suspend"]
"""What becomes of an attempt once it runs: its pods end with this exit code, or a user suspends the run until
the operator has told so."""

NODE_SELECTOR = {"example.com/node": "played"}
"""No node has it: the scheduler takes its hands off."""
CONTENT_TYPES = {"PATCH": "application/merge-patch+json"}
PAST = "2026-01-01T00:00:00Z"
"""When containers started and ended: a played pod has no time of its own."""


@dataclass(frozen=True)
class Api:
    """Requests to the API server as JSON."""

    url: str
    """Of a server that asks for no credentials."""
    namespace: str

    def __call__(self, method: str, api: str, target: str, body: Object | None = None) -> Object:
        """`api` is such as apis/batch/v1, `target` such as jobs/NAME. Raises urllib.error.HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": CONTENT_TYPES.get(method, "application/json")}
        url = f"{self.url}/{api}/namespaces/{self.namespace}/{target}"
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: Object = json.loads(answer.read())
        return found

    def run(self, name: str) -> Object:
        return self("GET", f"apis/{names.API_VERSION}", f"{names.PLURAL}/{name}")


@dataclass
class PlayedRun:
    """The nodes of one run: each `step` takes it as much further as the operator allows."""

    api: Api
    name: str
    deeds: Sequence[Deed]
    """By attempt."""
    seen: set[str] = field(default_factory=set)
    """Names of all pods that were there at some step."""

    def step(self) -> Object:
        """The run's status before the step."""
        run = self.api.run(self.name)
        status: Object = run.get("status", {})
        if run["spec"].get("suspend"):
            if holds(status, "Suspended"):
                self._suspend(False)
            return status
        told = status.get("attempt", 0) if status.get("phase") == "Running" else 0
        deed = self.deeds[told - 1] if told else None
        if deed == "suspend":
            self._suspend(True)
            return status
        for pod in self.pods():
            attempt = int(pod["metadata"]["labels"][names.ATTEMPT_LABEL])
            match pod["status"]["phase"]:
                case "Pending":
                    self._put(pod, "Running", {"running": {"startedAt": PAST}})
                case "Running" if attempt == told:
                    over = {"exitCode": deed, "startedAt": PAST, "finishedAt": PAST}
                    self._put(pod, "Failed" if deed else "Succeeded", {"terminated": over})
        return status

    def pods(self) -> list[Object]:
        """Pods that are not being deleted."""
        return [pod for pod in self._all_pods() if "deletionTimestamp" not in pod["metadata"]]

    def gone(self) -> set[str]:
        """Names of pods that no longer exist, whoever deleted them."""
        return self.seen - {pod["metadata"]["name"] for pod in self._all_pods()}

    def _all_pods(self) -> list[Object]:
        found = self.api("GET", "api/v1", f"pods?labelSelector={names.RUN_LABEL}%3D{self.name}")
        pods: list[Object] = found["items"]
        self.seen.update(pod["metadata"]["name"] for pod in pods)
        return pods

    def _suspend(self, wanted: bool) -> None:
        run = f"{names.PLURAL}/{self.name}"
        self.api("PATCH", f"apis/{names.API_VERSION}", run, {"spec": {"suspend": wanted}})

    def _put(self, pod: Object, phase: str, state: Object) -> None:
        ready = phase == "Running"
        container = {
            "name": names.CONTAINER_NAME,
            "image": "played",
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state,
        }
        status = {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [container],
        }
        try:
            self.api("PATCH", "api/v1", f"pods/{pod['metadata']['name']}/status", {"status": status})
        except urllib.error.HTTPError as error:
            if error.code != 404:  # gone in the meantime
                raise


def holds(status: Object, condition: str) -> bool:
    """Whether a condition of a run is True."""
    return any((c["type"], c["status"]) == (condition, "True") for c in status.get("conditions", ()))

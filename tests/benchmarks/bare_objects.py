"""The objects of a run, written by a client that decides nothing, while no operator runs: the least that any
operator of TrainingRuns costs the rest of the stack.

They are learned from one run that the operator has completed: its Service and Job, a status at its start and
one at its end, and an Event with each.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.followed import Followed
from tests.cluster.shell import wait_until
from tests.helpers.server import Object, Server
from trainingrun_api import names
from trainingrun_api.reasons import Phase

EXAMPLE = "example-of-a-run"
RUNS_PATH = f"/apis/{names.API_VERSION}/namespaces/{{}}/{names.PLURAL}"
JOBS_PATH = "/apis/batch/v1/namespaces/{}/jobs"
SERVICES_PATH = "/api/v1/namespaces/{}/services"
EVENTS_PATH = "/apis/events.k8s.io/v1/namespaces/{}/events"
OF_THE_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
OVER = "over"


@dataclass(frozen=True)
class Example:
    """Texts in which the namespace, the name and the UID of a run are to be replaced."""

    namespace: str
    uid: str
    job: str
    service: str
    status: str
    """At the end."""
    events: tuple[str, str]

    def filled(self, text: str, run: Object) -> Object:
        """One of the texts as an object of another run."""
        meta = run["metadata"]
        for old, new in (
            (self.uid, meta["uid"]),
            (self.namespace, meta["namespace"]),
            (EXAMPLE, meta["name"]),
        ):
            text = text.replace(old, new)
        found: Object = json.loads(text)
        return found


def learned(server: Server, namespace: str, body: Object) -> Example:
    """What the operator makes of a run of this body, whose name is EXAMPLE. Raises ClusterError."""
    path = f"{RUNS_PATH.format(namespace)}/{EXAMPLE}"
    server("POST", RUNS_PATH.format(namespace), body)

    def ended() -> bool:
        return bool(server("GET", path).get("status", {}).get("phase") == Phase.COMPLETED)

    wait_until(f"{EXAMPLE} is Completed", ended, seconds=120)
    run = server("GET", path)
    uid = run["metadata"]["uid"]
    jobs, services, events = (
        [
            _fresh(item)
            for item in server("GET", kind.format(namespace))["items"]
            if uid in json.dumps(item.get("regarding", item["metadata"].get("ownerReferences")))
        ]
        for kind in (JOBS_PATH, SERVICES_PATH, EVENTS_PATH)
    )
    return Example(namespace, uid, jobs[0], services[0], json.dumps(run["status"]), (events[0], events[-1]))


def _fresh(item: Object) -> str:
    """An object as it may be created."""
    meta = {name: value for name, value in item["metadata"].items() if name not in OF_THE_SERVER}
    meta.get("labels", {}).pop("batch.kubernetes.io/controller-uid", None)
    body: dict[str, Any] = {**item, "metadata": meta}
    body.pop("status", None)
    if "selector" in body.get("spec", {}) and "template" in body["spec"]:
        del body["spec"]["selector"]
        template = body["spec"]["template"]["metadata"]["labels"]
        for label in [name for name in template if name.endswith("controller-uid")]:
            del template[label]
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        body.get("spec", {}).pop(name, None)
    return json.dumps(body)


class BareObjects:
    """Writes for each run what an operator would, when an operator would."""

    def __init__(self, server: Server, namespace: str, example: Example) -> None:
        self._server = server
        self._namespace = namespace
        self._example = example
        self._runs: dict[str, Object] = {}
        self._over = threading.Event()

    def create(self, body: Object) -> None:
        """A run, its children and its first status."""
        run = self._server("POST", RUNS_PATH.format(self._namespace), body)
        for kind, text in ((SERVICES_PATH, self._example.service), (JOBS_PATH, self._example.job)):
            self._server("POST", kind.format(self._namespace), self._example.filled(text, run))
        status = {**self._example.filled(self._example.status, run), "phase": Phase.RUNNING}
        self._runs[body["metadata"]["name"]] = self._tell(run, status, 0)

    @contextmanager
    def completing(self) -> Iterator[None]:
        """Writes the last status of each run whose Job is over."""
        jobs = Followed(self._server, JOBS_PATH.format(self._namespace), lambda body: {OVER: job_over(body)})
        thread = threading.Thread(target=self._complete, args=(jobs,))
        with ExitStack() as stack:
            stack.enter_context(jobs.following())
            stack.callback(thread.join)
            stack.callback(self._over.set)
            thread.start()
            yield

    def _complete(self, jobs: Followed) -> None:
        told: set[str] = set()
        while not self._over.is_set():
            for job, moments in list(jobs.moments.items()):
                run = self._runs.get(jobs.labels[job][names.RUN_LABEL])
                if OVER in moments and job not in told and run:
                    told.add(job)
                    self._tell(run, self._example.filled(self._example.status, run), 1)
            time.sleep(0.05)

    def _tell(self, run: Object, status: Object, event: int) -> Object:
        name = run["metadata"]["name"]
        path = f"{RUNS_PATH.format(self._namespace)}/{name}/status"
        written = self._server("PUT", path, {**run, "status": status})
        body = self._example.filled(self._example.events[event], run)
        body["metadata"]["name"] = f"{name}.{event}"
        self._server("POST", EVENTS_PATH.format(self._namespace), body)
        return written


def job_over(body: Object) -> bool:
    """Whether a Job is Complete."""
    conditions = body.get("status", {}).get("conditions", ())
    return any(one["type"] == "Complete" and one["status"] == "True" for one in conditions)

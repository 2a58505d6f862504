"""An API server in memory, for what the real one cannot be made to do on demand: dying between two writes.

It keeps the rules that the operator relies on: names are unique, resourceVersions rise, a status
replacement is refused where the version or the UID is not the current one.
"""

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.unit.operator.builders import (
    JOB_UID,
    NAME,
    NAMESPACE,
    NOW,
    UID,
    dead_pod,
    raw_job,
    raw_pod,
    raw_run,
)
from trainingrun_api import names
from trainingrun_operator.cluster import RESOURCES, RUNS, Resource
from trainingrun_operator.errors import AlreadyExistsError, ConflictError, NotFoundError
from trainingrun_operator.observed import JobState, Raw, job_from, pod_from, run_from
from trainingrun_operator.times import to_timestamp
from trainingrun_operator.view import View

Object = dict[str, Any]
KINDS = {RUNS: names.KIND, **{resource: kind for kind, resource in RESOURCES.items()}}


class Killed(BaseException):
    """The process died here."""


@dataclass
class MemoryCluster:
    """Implements `trainingrun_operator.cluster.Cluster`, and plays the Job controller and the kubelet."""

    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """By kind and name."""
    created: Counter[str] = field(default_factory=Counter)
    """How often each object was created, by kind/name."""
    deleted: Counter[str] = field(default_factory=Counter)
    """How often each object was deleted, by kind/name."""
    statuses: list[Object] = field(default_factory=list)
    """Every status that was written."""
    reads: list[str] = field(default_factory=list)
    die_at: dict[int, str] = field(default_factory=dict)
    """Numbers of writes at which the process dies, and whether `before` or `after` they took effect."""
    exit_codes: dict[int, int] = field(default_factory=dict)
    """Of all pods of an attempt, where they differ from what a test steps with."""
    lost_jobs: set[int] = field(default_factory=set)
    """Attempts whose Job somebody deletes while the pods run, which stay."""
    complaints: dict[str, list[Object]] = field(default_factory=dict)
    """Events by the field selector that finds them."""
    writes: int = 0
    version: int = 100

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        self.reads.append(f"{resource.plural}/{name}")
        found = self.objects.get((KINDS[resource], name))
        return copy.deepcopy(found)

    def create(self, manifest: Raw) -> Object:
        with_kind, name = manifest["kind"], manifest["metadata"]["name"]
        self._die("before")
        if (with_kind, name) in self.objects:
            self._die("after")
            raise AlreadyExistsError(409, f"{with_kind} {name} already exists")
        stored = self.put(dict(copy.deepcopy(manifest)))
        self.created[f"{with_kind}/{name}"] += 1
        self._die("after")
        return stored

    def replace_status(self, run: Raw) -> Object:
        meta = run["metadata"]
        self._die("before")
        stored = self.objects.get((names.KIND, meta["name"]))
        if stored is None:
            raise NotFoundError(404, f"{meta['name']} not found")
        current = stored["metadata"]
        if (meta["uid"], meta["resourceVersion"]) != (current["uid"], current["resourceVersion"]):
            raise ConflictError(409, "the object has been modified")
        answer = self.put({**stored, "status": copy.deepcopy(run["status"])})
        self.statuses.append(answer["status"])
        self._die("after")
        return answer

    def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, grace_seconds: int | None = None
    ) -> None:
        """Pods end at once, as by a kubelet without delay; those of a Job go with it."""
        self._die("before")
        kind = KINDS[resource]
        if (kind, name) in self.objects and self.objects[kind, name]["metadata"]["uid"] == uid:
            del self.objects[kind, name]
            self.deleted[f"{kind}/{name}"] += 1
            if kind == "Job":
                self._remove_pods_of(uid)
        self._die("after")

    def find(self, resource: Resource, namespace: str, selector: str = "", fields: str = "") -> list[Object]:
        self.reads.append(resource.plural)
        if fields:
            return self.complaints.get(fields, [])
        label, _, value = selector.partition("=")
        return [
            copy.deepcopy(found)
            for (kind, _), found in self.objects.items()
            if kind == KINDS[resource] and found["metadata"].get("labels", {}).get(label) == value
        ]

    def list_versions(self, resource: Resource, namespace: str | None, selector: str = "") -> dict[str, str]:
        kind = KINDS[resource]
        found = (found["metadata"] for (of, _), found in self.objects.items() if of == kind)
        return {meta["uid"]: meta["resourceVersion"] for meta in found}

    def put(self, found: Object) -> Object:
        """Stores an object as of a new version."""
        self.version += 1
        job_uid = JOB_UID if found["metadata"]["name"].endswith("-1") else f"{found['metadata']['name']}-uid"
        defaults = {
            "uid": job_uid if found["kind"] == "Job" else f"uid-{self.version}",
            "creationTimestamp": to_timestamp(NOW),
        }
        found["metadata"] = {**defaults, **found["metadata"], "resourceVersion": str(self.version)}
        self.objects[found["kind"], found["metadata"]["name"]] = found
        return copy.deepcopy(found)

    def view(self) -> View:
        """What an index without any delay shows."""
        return View(
            run_from(self.objects[names.KIND, NAME]),
            tuple(map(job_from, self._all("Job"))),
            tuple(map(pod_from, self._all("Pod"))),
        )

    def step(self, nodes: int, exit_code: int) -> None:
        """The world goes on for the latest Job: pods appear, run, end, and the Job ends with them."""
        jobs = {int(found["metadata"]["labels"][names.ATTEMPT_LABEL]): found for found in self._all("Job")}
        if not jobs:
            return
        attempt, job = max(jobs.items())
        if job_from(job).state != JobState.ACTIVE:
            return
        exit_code = self.exit_codes.get(attempt, exit_code)
        of = {"attempt": attempt, "job_uid": job["metadata"]["uid"]}
        pods = [self.objects.get(("Pod", f"{NAME}-{attempt}-{index}-x")) for index in range(nodes)]
        phases = {pod["status"]["phase"] if pod else "" for pod in pods}
        if phases == {""}:
            self._put_pods(
                [raw_pod(i, "Pending", {"waiting": {}}, node="", created=0, **of) for i in range(nodes)]
            )
        elif phases == {"Pending"}:
            self._put_pods([raw_pod(i, **of) for i in range(nodes)])
        elif phases == {"Running"} and attempt in self.lost_jobs:
            del self.objects["Job", job["metadata"]["name"]]
        elif phases == {"Running"}:
            self._put_pods([dead_pod(i, exit_code, "bye", **of) for i in range(nodes)])
        else:
            ended = raw_job("Failed" if exit_code else "Complete")
            self.put({**job, "status": ended["status"]})

    def _all(self, kind: str) -> list[Object]:
        return [found for (of, _), found in self.objects.items() if of == kind]

    def _remove_pods_of(self, job_uid: str) -> None:
        for pod in self._all("Pod"):
            if pod["metadata"]["ownerReferences"][0]["uid"] == job_uid:
                del self.objects["Pod", pod["metadata"]["name"]]

    def _put_pods(self, pods: list[Object]) -> None:
        for pod in pods:
            self.put({**pod, "kind": "Pod"})

    def _die(self, when: str) -> None:
        if when == "before":
            self.writes += 1
        if self.die_at.get(self.writes) == when:
            del self.die_at[self.writes]
            raise Killed


def cluster_with_run(spec: Raw, status: Raw | None = None) -> MemoryCluster:
    """A cluster that holds the one TrainingRun of the builders."""
    cluster = MemoryCluster()
    cluster.put(raw_run(spec, status, namespace=NAMESPACE, uid=UID))
    return cluster

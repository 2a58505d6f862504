"""Does to Jobs what Kueue's integration for batch/v1 Jobs does, for tests on clusters without Kueue.

Written after pkg/controller/jobs/job/job_controller.go and pkg/controller/jobframework/reconciler.go of
https://github.com/kubernetes-sigs/kueue (v0.19). Copied is whatever touches a Job:

- It looks at Jobs that carry the label `kueue.x-k8s.io/queue-name` and have not ended; the rest it ignores.
- A suspended one is admitted as soon as there is quota, by priority and then by age: one patch sets
  `spec.suspend: false` and merges the flavor's node labels into the template's nodeSelector.
- A Job of higher priority that finds no quota has the least important running one preempted.
- To stop a Job (preemption, eviction) takes three patches: suspend it and mark it as being stopped; reset
  `status.startTime`; restore the template and take the mark off. It then queues again, and comes back with
  the same Job where that is still there.
- A Job that runs without having been admitted is stopped.
- Nothing else is written, and nothing is created or deleted.

Left out: Workload objects and their conditions, ClusterQueues and cohorts (the quota is a number of Jobs),
admission checks, partial admission, topology-aware scheduling, waiting for ready pods, and the webhooks.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from kubernetes import client, config

from tests.cluster.api import Cluster
from trainingrun_api import names

STOPPING = "kueue.x-k8s.io/stopping"
LOOK_SECONDS = 0.2
READ_SECONDS = 30

Job = dict[str, Any]


@dataclass
class KueueStandIn:
    """Manages the Jobs of one namespace beside a `with` block."""

    cluster: Cluster
    namespace: str
    quota: int = 1
    """Jobs that may run at the same time, in all queues."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    """Of the one flavor; pods of admitted Jobs are bound to nodes that carry them."""
    admitted: list[str] = field(default_factory=list)
    """Names of Jobs, each time that one was admitted."""
    stopped: list[str] = field(default_factory=list)
    """Names of Jobs, each time that one was preempted or evicted."""

    def __enter__(self) -> Self:
        api = config.new_client_from_config(str(self.cluster.kubeconfig))  # type: ignore[no-untyped-call]
        self._batch, self._scheduling = client.BatchV1Api(api), client.SchedulingV1Api(api)
        self._selectors: dict[str, dict[str, str]] = {}
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        if self._error:
            raise self._error

    def evict(self, job: str) -> None:
        """Takes the quota back from a running Job, as when its queue is stopped; it queues again."""
        with self._lock:
            self._stop(next(found for found in self._jobs() if found["metadata"]["name"] == job))

    def _work(self) -> None:
        try:
            while not self._end.wait(LOOK_SECONDS):
                with self._lock:
                    self._look()
        except Exception as error:  # noqa: BLE001 - told where the block ends
            self._error = error

    def _look(self) -> None:
        jobs = self._jobs()
        running = [job for job in jobs if not job["spec"].get("suspend")]
        for job in running:
            if job["metadata"]["uid"] not in self._selectors:
                self._stop(job)
        busy = [job for job in jobs if job in running or job["status"].get("active")]
        waiting = [job for job in jobs if job not in busy and STOPPING not in _annotations(job)]
        if not waiting:
            return
        priorities = self._priorities()
        first = min(waiting, key=lambda job: (-_priority(job, priorities), *_age(job)))
        if len(busy) < self.quota:
            self._admit(first)
        elif running:
            least = min(running, key=lambda job: _priority(job, priorities))
            if _priority(least, priorities) < _priority(first, priorities):
                self._stop(least)

    def _jobs(self) -> list[Job]:
        answer: Any = self._batch.list_namespaced_job(
            self.namespace,
            label_selector=names.QUEUE_LABEL,
            _preload_content=False,
            _request_timeout=READ_SECONDS,
        )
        jobs: list[Job] = json.loads(answer.data)["items"]
        return [job for job in jobs if not _over(job)]

    def _priorities(self) -> dict[str, int]:
        answer: Any = self._scheduling.list_priority_class(
            _preload_content=False, _request_timeout=READ_SECONDS
        )
        return {found["metadata"]["name"]: found["value"] for found in json.loads(answer.data)["items"]}

    def _admit(self, job: Job) -> None:
        before = job["spec"]["template"]["spec"].get("nodeSelector") or {}
        self._selectors[job["metadata"]["uid"]] = before
        selector = {**before, **self.node_labels}
        self._patch(job, {"spec": {"suspend": False, "template": {"spec": {"nodeSelector": selector}}}})
        self.admitted.append(job["metadata"]["name"])

    def _stop(self, job: Job) -> None:
        self._patch(job, {"metadata": {"annotations": {STOPPING: "true"}}, "spec": {"suspend": True}})
        self._patch(job, {"status": {"startTime": None}}, "/status")
        restored = dict.fromkeys(self.node_labels) | self._selectors.pop(job["metadata"]["uid"], {})
        self._patch(
            job,
            {
                "metadata": {"annotations": {STOPPING: None}},
                "spec": {"template": {"spec": {"nodeSelector": restored}}},
            },
        )
        self.stopped.append(job["metadata"]["name"])

    def _patch(self, job: Job, body: dict[str, Any], subresource: str = "") -> None:
        """One that is gone by now needs nothing any more."""
        write = self._batch.patch_namespaced_job_status if subresource else self._batch.patch_namespaced_job
        try:
            write(
                job["metadata"]["name"],
                self.namespace,
                body,
                _content_type="application/merge-patch+json",
                _preload_content=False,
                _request_timeout=READ_SECONDS,
            )
        except client.ApiException as error:
            if error.status != 404:
                raise


def _over(job: Job) -> bool:
    conditions = job["status"].get("conditions") or ()
    ended = any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
    return ended or "deletionTimestamp" in job["metadata"]


def _annotations(job: Job) -> Mapping[str, str]:
    return job["metadata"].get("annotations") or {}


def _priority(job: Job, classes: Mapping[str, int]) -> int:
    return classes.get(job["spec"]["template"]["spec"].get("priorityClassName", ""), 0)


def _age(job: Job) -> tuple[str, str]:
    return job["metadata"]["creationTimestamp"], job["metadata"]["name"]

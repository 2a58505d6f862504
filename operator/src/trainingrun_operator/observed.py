"""What the cluster holds of a run, cut down to what decisions need. Pure: raw objects in, frozen facts out.

The index keeps these instead of whole objects: managed fields and pod specs would be most of the memory.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_operator.times import from_timestamp

Raw = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name of a TrainingRun."""

MAX_RETRY_TEXT = 1024
"""Characters of the retry annotation that count."""
ENDED_PHASES = ("Succeeded", "Failed")

_EPOCH = datetime.fromtimestamp(0, UTC)
"""Also what the runtime writes for the start of a container that never started."""


@dataclass(frozen=True, slots=True)
class Run:
    """A TrainingRun as it was read; spec and status are still raw."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    created: str
    deleting: bool
    retry: str
    """Text of the annotation by which people start a Failed run anew."""
    spec: Raw
    status: Raw

    @property
    def key(self) -> Key:
        """Where the work queue files it."""
        return self.namespace, self.name

    @property
    def over(self) -> bool:
        """Whether it was Completed or Failed when it was read."""
        return self.status.get("phase") in (Phase.COMPLETED, Phase.FAILED)

    @property
    def project(self) -> Key | None:
        """Namespace and name of the project that it belongs to."""
        name = self.spec.get("project")
        return (self.namespace, name) if name else None


@dataclass(frozen=True, slots=True)
class PackedRun:
    """A run that is over, in a fifth of the memory: thousands are kept, and looked at now and then."""

    uid: str
    resource_version: str
    created: str
    packed: bytes
    """All fields as JSON."""

    @classmethod
    def of(cls, run: Run) -> "PackedRun":
        """Packs a run."""
        fields = {name: getattr(run, name) for name in Run.__slots__}
        return cls(run.uid, run.resource_version, run.created, json.dumps(fields).encode())

    def unpacked(self) -> Run:
        """The run as it was."""
        return Run(**from_json(self.packed))


class JobState(StrEnum):
    """Whether a Job has ended; both ends are final."""

    ACTIVE = "Active"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Job:
    """The Job of one attempt."""

    name: str
    uid: str
    resource_version: str
    owner_uid: str
    attempt: int
    state: JobState
    message: str
    created: datetime
    started_at: datetime | None
    """When it began to create pods, for the first time or after it was last suspended."""
    ended_at: datetime | None
    suspended: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something does not go on: a word for machines and the cluster's own sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Exit:
    """How a pod's container ended."""

    code: int
    reason: str
    message: str
    """The termination message, or the end of the log."""
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Departure:
    """A deletion that was asked for."""

    requested_at: datetime
    due_at: datetime
    """The end of the grace period: deletionTimestamp."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One node of an attempt."""

    name: str
    uid: str
    resource_version: str
    run_uid: str
    attempt: int
    job_uid: str
    index: int
    node: str
    ip: str
    phase: str
    created: datetime
    unschedulable: Trouble | None
    """The scheduler's verdict."""
    waiting: Trouble | None
    """The kubelet's reason for not having started the container."""
    started_at: datetime | None
    """When the container started, ended or not."""
    exit: Exit | None
    disruption: Trouble | None
    """Why the cluster itself ended the pod: eviction, preemption, a lost node."""
    deletion: Departure | None
    unreachable: bool
    """Whether the control plane gave up on the node while the container ran."""

    @property
    def alive(self) -> bool:
        """Whether its program may still run."""
        return self.phase not in ENDED_PHASES

    @property
    def runs(self) -> bool:
        """Whether the program started and has not failed."""
        return self.phase in ("Running", "Succeeded")


def run_from(body: Raw) -> Run:
    """The facts of a TrainingRun."""
    meta = body["metadata"]
    return Run(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        resource_version=meta["resourceVersion"],
        created=meta["creationTimestamp"],
        deleting="deletionTimestamp" in meta,
        retry=(meta.get("annotations") or {}).get(names.RETRY_ANNOTATION, "")[:MAX_RETRY_TEXT],
        spec=body["spec"],
        status=body.get("status") or {},
    )


def job_from(body: Raw) -> Job:
    """The facts of a Job that carries our labels."""
    meta, status = body["metadata"], body.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    ended = conditions.get(JobState.COMPLETE) or conditions.get(JobState.FAILED) or {}
    return Job(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        owner_uid=controller_uid(body),
        attempt=_number(meta, names.ATTEMPT_LABEL),
        created=from_timestamp(meta["creationTimestamp"]) or _EPOCH,
        started_at=from_timestamp(status.get("startTime")),
        suspended=bool((body.get("spec") or {}).get("suspend")),
        state=JobState(ended.get("type", JobState.ACTIVE)),
        message=ended.get("message", ""),
        ended_at=from_timestamp(ended.get("lastTransitionTime")),
    )


def pod_from(body: Raw) -> Pod:
    """The facts of a pod that carries our labels."""
    meta, status = body["metadata"], body.get("status") or {}
    container = _trainer_container(status.get("containerStatuses") or ())
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        run_uid=meta["labels"].get(names.UID_LABEL, ""),
        attempt=_number(meta, names.ATTEMPT_LABEL),
        job_uid=controller_uid(body),
        index=_number(meta, names.COMPLETION_INDEX_LABEL),
        node=(body.get("spec") or {}).get("nodeName", ""),
        ip=status.get("podIP", ""),
        phase=status.get("phase", "Pending"),
        created=from_timestamp(meta["creationTimestamp"]) or _EPOCH,
        unschedulable=_unschedulable(status),
        waiting=_waiting(container),
        started_at=_started_at(container),
        exit=_exit(container),
        disruption=_condition(status, "DisruptionTarget", "True") or _pod_level_end(status),
        deletion=_departure(meta),
        unreachable=_unreachable(status, container),
    )


def complaint_from(events: Iterable[Raw]) -> Trouble | None:
    """What the newest of an object's Events (events.k8s.io) complains of; None where it is no warning."""
    newest = max(events, key=_last_seen, default=None)
    if newest is None or newest.get("type") != "Warning":
        return None
    return Trouble(newest.get("reason", ""), newest.get("note", ""))


def newest_is_over(jobs: Iterable[Job]) -> bool:
    """Whether the Job of the latest attempt has ended."""
    newest = max(jobs, key=lambda job: job.attempt, default=None)
    return newest is not None and newest.state != JobState.ACTIVE


def gone(pod: Pod) -> Pod:
    """A pod that no longer exists: ended, if nobody heard how."""
    return pod if not pod.alive else replace(pod, phase="Failed")


def controller_uid(body: Raw) -> str:
    """UID of the object's controlling owner, or empty."""
    owners: Iterable[Raw] = body["metadata"].get("ownerReferences") or ()
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _departure(meta: Raw) -> Departure | None:
    if (due := from_timestamp(meta.get("deletionTimestamp"))) is None:
        return None
    return Departure(due - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0), due)


def _unreachable(status: Raw, container: Raw) -> bool:
    """Our containers have no readiness probe: while one runs, only the node's controller says not ready.

    Source: https://kubernetes.io/docs/reference/node/node-status/ (pods of an unreachable node).
    """
    ready = _condition(status, "Ready", "False")
    return ready is not None and not ready.reason and "running" in container.get("state", {})


def _last_seen(event: Raw) -> datetime:
    seen = (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return max((moment for text in seen if (moment := from_timestamp(text))), default=_EPOCH)


def _number(meta: Raw, label: str) -> int:
    """A label that counts; 0 on objects that carry our run label by somebody else's hand."""
    text: str = meta["labels"].get(label, "")
    return int(text) if text.isdecimal() else 0


def _trainer_container(statuses: Iterable[Raw]) -> Raw:
    return next((status for status in statuses if status["name"] == names.CONTAINER_NAME), {})


def _condition(status: Raw, kind: str, value: str) -> Trouble | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == kind and condition["status"] == value:
            return Trouble(condition.get("reason", ""), condition.get("message", ""))
    return None


def _unschedulable(status: Raw) -> Trouble | None:
    verdict = _condition(status, "PodScheduled", "False")
    # Whoever put a gate on the pod, such as a queue, has not let the scheduler look at it.
    return None if verdict and verdict.reason == "SchedulingGated" else verdict


def _waiting(container: Raw) -> Trouble | None:
    waiting = container.get("state", {}).get("waiting")
    return Trouble(waiting.get("reason", ""), waiting.get("message", "")) if waiting else None


def _started_at(container: Raw) -> datetime | None:
    states = container.get("state", {})
    state = states.get("running") or states.get("terminated") or {}
    moment = from_timestamp(state.get("startedAt"))
    return moment if moment != _EPOCH else None


def _exit(container: Raw) -> Exit | None:
    ended = container.get("state", {}).get("terminated")
    if not ended:
        return None
    return Exit(
        code=ended["exitCode"],
        reason=ended.get("reason", ""),
        message=ended.get("message", ""),
        finished_at=from_timestamp(ended.get("finishedAt")) or _EPOCH,
    )


def _pod_level_end(status: Raw) -> Trouble | None:
    """A pod that failed as a whole (Evicted, OutOfcpu, UnexpectedAdmissionError) has a reason of its own."""
    if status.get("phase") == "Failed" and status.get("reason"):
        return Trouble(status["reason"], status.get("message", ""))
    return None

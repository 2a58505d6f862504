"""The words between deciding and doing: what a decision knows (`Situation`) and what it asks for (`Plan`).
Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from trainingrun_api import TrainingRunSpec, TrainingRunStatus
from trainingrun_api.reasons import ConditionType
from trainingrun_api.status import Stopping
from trainingrun_operator.conditions import Finding, phase_of, updated
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.kueue import Workload
from trainingrun_operator.observed import Job, JobState, Pod, Run, Trouble
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.view import Children

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """The trainer image of runs that name none, and how it is pulled."""

    reference: str
    pull_policy: str


class Verify(StrEnum):
    """What the index says and the API server must confirm before anything follows from it."""

    RUN = "run"
    JOB = "job"
    """The Job of the current attempt."""
    PODS = "pods"
    """The pods of all attempts."""
    WORKLOAD = "workload"
    """What Kueue says of the Job; the index does not hold it."""
    PULSE = "pulse"
    """Whether the pods stand still; they are asked themselves."""
    COMPLAINT = "complaint"
    """What is said in Events of the object that is waited for."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The run of the same project that goes first."""

    name: str
    doing: str
    """What it is doing, in a word or two."""
    holds: bool
    """Whether it holds the project, or is only about to."""
    place: int
    """Place among those that wait, from 1."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """An object to be deleted, and no other one of that name."""

    kind: str
    name: str
    uid: str
    grace_seconds: int | None = None
    """From SIGTERM to SIGKILL; None leaves the pod's own, 0 removes a pod without asking its node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands, whether or not its spec can be read."""

    run: Run
    status: TrainingRunStatus
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation(Standing):
    """All that a decision may rest on."""

    spec: TrainingRunSpec
    children: Children
    """Jobs and pods of all attempts."""
    scrape: Scrape | None
    """What the trainer last said of its progress."""
    trainer_image: Image
    ahead: Ahead | None = None
    """Which run of the project must be waited for before an attempt may start."""
    workload: Workload | None = None
    """What Kueue says of the Job, as far as it was asked and can be read."""
    pulse: Pulse | None = None
    """What the pods answered when they were asked whether they stand still; None also where it was not their
    turn."""
    hears: bool = True
    """Whether a trainer, of any run, answered the operator of late."""
    complaint: Trouble | None = None
    """What somebody says of the object that is waited for, as far as that was asked."""
    verified: frozenset[Verify] = frozenset()
    """What was read from the API server for this decision, not from the index."""

    @property
    def attempt(self) -> int | None:
        """The latest attempt, under way or over; None before the first."""
        return self.children.latest(self.status.attempt)

    @property
    def job(self) -> Job | None:
        """The Job of the latest attempt."""
        return self.children.job(self.attempt)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The pods of the latest attempt, by index."""
        return self.children.pods_of(self.attempt)

    @property
    def between_attempts(self) -> bool:
        """Whether the latest attempt is over and recorded as such."""
        records = self.status.attempts or ()
        return any(record.number == self.attempt for record in records)

    @property
    def earlier_pods(self) -> tuple[Pod, ...]:
        """Pods of attempts that are over which may still run."""
        over = (self.attempt or 0) - (not self.between_attempts)
        return tuple(pod for pod in self.children.pods if pod.alive and 0 < pod.attempt <= over)

    @property
    def stopping(self) -> Stopping | None:
        """The decision to end the latest attempt, where one was made."""
        found = self.status.stopping
        return found if found and found.attempt == self.attempt else None

    @property
    def active(self) -> bool:
        """Whether the latest attempt goes on: its Job has not ended, nor have all of the Job's pods."""
        if self.job is None or self.job.state != JobState.ACTIVE:
            return False
        return not self.pods or any(pod.alive for pod in self.pods)

    @property
    def pods_ready(self) -> int:
        """Nodes of the gang whose program started and has not failed."""
        return len({pod.index for pod in self.pods if pod.runs})

    @property
    def started_at(self) -> datetime | None:
        """When the last node of the gang started; None while one has not."""
        started = {pod.index: pod.started_at for pod in self.pods if pod.started_at}
        return max(started.values()) if len(started) == self.spec.nodes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do, in this order: verify (and decide again), create, write the status, delete.

    Nothing is deleted where the status could not be written.
    """

    why: str
    verify: Verify | None = None
    create: tuple[Manifest, ...] = ()
    status: TrainingRunStatus | None = None
    """The whole new status; None leaves it as it is."""
    delete: tuple[Deletion, ...] = ()
    requeue_after: float | None = None
    """Seconds after which to look again although nothing may have changed."""


def with_findings(
    standing: Standing, findings: Mapping[ConditionType, Finding], **fields: object
) -> TrainingRunStatus:
    """The status with new conditions, the phase that follows from them, and other changed fields."""
    run = standing.run
    conditions = updated(standing.status.conditions or (), findings, run.generation, standing.now)
    phase, deciding = phase_of(conditions)
    return standing.status.model_copy(
        update={
            "phase": phase,
            "observed_generation": run.generation,
            "conditions": conditions,
            "reason": deciding.reason,
            "message": deciding.message,
            **fields,
        }
    )

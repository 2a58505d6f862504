"""What the history takes and gives, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trainingrun_api.reasons import Phase

Epoch = Mapping[str, Any]
"""One epoch as in metrics.json: epoch (from 1), global_step, scores such as train_loss and val_accuracy,
learning_rate, seconds, samples_per_second, time. None stands for what JSON has no number for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it is now, or as it last was."""

    run_id: str
    """Name and the first 8 digits of the UID, as its run directory is called."""
    namespace: str
    name: str
    uid: str
    created_at: datetime
    phase: Phase = Phase.PENDING
    reason: str = ""
    message: str = ""
    project: str | None = None
    task: str | None = None
    """None for an image with a command of its own."""
    training_mode: str = "centralized"
    """Or federated, where a client or a round is named."""
    client_id: str | None = None
    round_id: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    deleted_at: datetime | None = None
    """When the TrainingRun was seen to be gone."""
    attempt: int | None = None
    restarts: int = 0
    epoch: int | None = None
    """Epochs finished."""
    total_epochs: int | None = None
    percent: int | None = None
    estimated_completion_time: datetime | None = None
    monitor: str | None = None
    """Metric of record, such as val_accuracy."""
    monitor_value: float | None = None
    best_value: float | None = None
    best_epoch: int | None = None
    early_stopped: bool | None = None
    training_time: float | None = None
    """Seconds."""
    results: Mapping[str, Any] | None = None
    """As in results.json."""
    artifacts: Sequence["Artifact"] = ()
    provenance: Mapping[str, Any] | None = None
    """As in run.json: image, code_version, torch_version, config_sha256, data_sha256."""
    object: Mapping[str, Any] = field(default_factory=dict)
    """The TrainingRun: metadata (without managedFields), spec and status."""
    sparkline: Sequence[float] = ()
    """The metric of record over the epochs, at most 32 points. Made by the store, never saved by a caller."""
    updated_at: datetime | None = None
    """When its row last changed. Made by the store."""

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come: Completed, Failed, or its object is gone."""
        return self.deleted_at is not None or self.phase in (Phase.COMPLETED, Phase.FAILED)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the run directory."""

    path: str
    """Relative to the run directory, such as plots/loss.png."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that ended, as in status.attempts; unlike there, all of them are kept."""

    number: int
    outcome: str
    reason: str
    message: str = ""
    pod: str | None = None
    node: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    from_step: int | None = None
    to_step: int | None = None
    lost_steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One Kubernetes Event about the run."""

    uid: str
    time: datetime
    type: str
    """Normal or Warning."""
    reason: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which runs are wanted; what is None or empty does not matter."""

    namespaces: Sequence[str] | None = None
    """Only of these; an empty one finds nothing."""
    projects: Sequence[str] = ()
    phases: Sequence[Phase] = ()
    created_from: datetime | None = None
    """At this moment or later."""
    created_to: datetime | None = None
    """Before this moment."""
    text: str = ""
    """In the name, the project, the reason or the message, whatever the case."""
    include_deleted: bool = True


SORTS = ("created_at", "name", "phase", "project", "completed_at", "monitor_value", "percent")
"""What runs can be sorted by; a '-' before it turns the order. Default: -created_at."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, and how to get the next ones."""

    runs: Sequence[Run]
    next_cursor: str | None
    """Opaque; None on the last page. Runs that come or go meanwhile shift nothing (keyset pagination)."""

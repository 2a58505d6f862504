"""What routes take and give, as OpenAPI describes it. What comes in is closed to unknown fields."""

import math
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from trainingrun_api.reasons import Phase


def _finite(value: Any) -> Any:
    """JSON has no word for NaN and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class Given(BaseModel):
    """Base of what comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """Base of what goes out: made from the records of the history."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class RunSummary(Told):
    """A run at a glance."""

    run_id: str = Field(examples=["chest-0a1b2c3d"])
    namespace: str = Field(examples=["radiology"])
    name: str = Field(examples=["chest"])
    uid: str
    phase: Phase
    reason: str = Field(examples=["Training"])
    message: str
    project: str | None
    task: str | None
    training_mode: str = Field(examples=["centralized"])
    client_id: str | None
    round_id: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    deleted_at: datetime | None = Field(description="When the TrainingRun was seen to be gone.")
    finished: bool = Field(description="Nothing more is to come.")
    attempt: int | None
    restarts: int
    epoch: int | None = Field(description="Epochs finished.")
    total_epochs: int | None
    percent: int | None
    estimated_completion_time: datetime | None
    monitor: str | None = Field(description="Metric of record.", examples=["val_recall"])
    monitor_value: Number
    best_value: Number
    best_epoch: int | None
    early_stopped: bool | None
    training_time: Number = Field(description="Seconds.")
    sparkline: list[Number] = Field(description="The metric of record over the epochs, at most 32 points.")
    updated_at: datetime | None


class Artifact(Told):
    """A file of the run directory."""

    path: str = Field(examples=["plots/loss.png"])
    size: int = Field(description="Bytes.")


class RunDetail(RunSummary):
    """All that is known of a run, its epochs, attempts and events apart."""

    results: dict[str, Any] | None = Field(description="As in results.json.")
    artifacts: list[Artifact]
    provenance: dict[str, Any] | None = Field(description="As in run.json.")
    object: dict[str, Any] = Field(description="The TrainingRun: metadata, spec and status.")


class RunPage(Told):
    """Some runs, and how to get the next ones."""

    runs: list[RunSummary]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class Attempt(Told):
    """An attempt that ended."""

    number: int
    outcome: str
    reason: str
    message: str
    pod: str | None
    node: str | None
    started_at: datetime | None
    ended_at: datetime | None
    from_step: int | None
    to_step: int | None
    lost_steps: int | None


class Attempts(Told):
    """Of one run, by number."""

    run_id: str
    attempts: list[Attempt]


class Event(Told):
    """A Kubernetes Event about a run."""

    uid: str
    time: datetime
    type: str = Field(examples=["Warning"])
    reason: str
    message: str
    count: int


class Events(Told):
    """Of one run, by time."""

    run_id: str
    events: list[Event]


class Pod(Told):
    """A pod of a run."""

    name: str
    attempt: int
    node_rank: int
    first_rank: int = Field(description="The first of the global ranks in it.")
    last_rank: int
    phase: str = Field(examples=["Running"])
    ready: bool
    reason: str = Field(description="Why it waits or has ended.")
    node: str | None = Field(description="Where it runs.")
    started_at: datetime | None


class Pods(Told):
    """Of one run, by attempt and rank; none are left of a run that is long over."""

    run_id: str
    pods: list[Pod]


class Epochs(Told):
    """Epochs as in metrics.json."""

    run_id: str
    epochs: list[dict[str, Any]] = Field(
        description="epoch (from 1), global_step, scores, learning_rate, seconds, samples_per_second, time.",
        examples=[[{"epoch": 1, "train_loss": 0.61, "val_loss": 0.58, "learning_rate": 0.001}]],
    )
    next_after: int | None = Field(description="The `after` of the next page; null where this is the last.")


class Difference(Told):
    """A setting in which runs differ."""

    field: str = Field(examples=["spec.training.optimizer.learningRate"])
    values: list[Any] = Field(description="Of each run, in their order; null where it has none.")


class ComparedRun(Told):
    """One of the runs that are compared."""

    run: RunSummary
    epochs: list[dict[str, Any]]


class Comparison(Told):
    """Runs side by side."""

    runs: list[ComparedRun]
    differences: list[Difference]


class Artifacts(Told):
    """Files of a run."""

    run_id: str
    source: str = Field(
        description="Where the list is from: mounted (the directory, as it is now), history (as it was at "
        "the end), or claim (as it is now, through a pod with the caller's own rights).",
        examples=["history"],
    )
    artifacts: list[Artifact]


class Started(Told):
    """A run that was created, or is tried again."""

    run_id: str = Field(examples=["chest-0a1b2c3d"])
    name: str
    namespace: str
    training_mode: str = Field(examples=["centralized"])
    status: str = Field(description="Its phase in small letters.", examples=["pending"])
    message: str = Field(examples=["Training started"])
    estimated_duration: Number = Field(
        description="Seconds, by the median of like runs that completed; null where there are none."
    )


class Accepted(Told):
    """A change of a run that the API server took."""

    run_id: str
    status: str = Field(description="Its phase in small letters, as it was then.", examples=["running"])
    message: str


class Health(Told):
    """Whether the service can do its work."""

    status: str = Field(examples=["ok"])

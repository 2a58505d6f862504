"""`status` of a TrainingRun: what the operator reports. Written by the operator alone.

Much of it comes from pods, which run anybody's code. So these models refuse what the API server would refuse
in a status, and cut texts for people to what it takes: a status that could be built can be written and read.
"""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from trainingrun_api.model import Cut, Report
from trainingrun_api.reasons import AttemptOutcome, Phase

_RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


def _moment(text: str) -> str:
    if re.fullmatch(_RFC_3339, text, re.ASCII) is None:
        raise ValueError("must be a time of RFC 3339 such as 2026-01-02T03:04:05Z")
    datetime.fromisoformat(text)
    return text


def _number(text: str) -> str:
    float(text)
    return text


Timestamp = Annotated[str, AfterValidator(_moment), Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339; the project writes UTC with whole seconds, as Kubernetes does."""
MAX_COUNT = 2**53
"""Up to here every reader of JSON knows whole numbers exactly."""
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
MAX_METRIC_NAME = 128
MetricName = Annotated[str, Field(max_length=MAX_METRIC_NAME)]
MetricValue = Annotated[str, AfterValidator(_number), Field(max_length=32)]
"""A number as text: the API conventions advise against floats. May be nan or inf."""
MAX_METRICS = 64
Message = Annotated[str, Cut(32768)]
"""As long as metav1.Condition's."""


class Part(Report):
    """A part of the status that one writer replaces as a whole.

    Who owns which of its fields would be half of a stored run, and a fifth of what each write costs the API
    server.
    """

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-map-type": "atomic"})


class Condition(Part):
    """One observation of the run, as in metav1.Condition."""

    type: str = Field(max_length=64, description="What is observed.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int = Field(0, description="metadata.generation that it was observed for.")
    last_transition_time: Timestamp = Field(description="When status last changed.")
    reason: str = Field(max_length=64, description="One word for why.")
    message: Message = Field("", description="What happened, where, and what to do.")


class Columns(Part):
    """Ready-made text for kubectl's columns, which cannot compute."""

    epoch: Annotated[str, Cut(32)] | None = Field(None, description="Epoch of those planned, such as 12/50.")
    metric: Annotated[str, Cut(192)] | None = Field(
        None, description="The monitored metric, such as val_accuracy=0.968."
    )
    progress: Annotated[str, Cut(8)] | None = Field(
        None, description="Share of the work that is done, such as 24%."
    )
    eta: Annotated[str, Cut(16)] | None = Field(None, description="Time to the planned end, such as 4m10s.")


class Progress(Part):
    """How far training is."""

    epoch: Count | None = Field(None, description="Epochs finished.")
    total_epochs: Count | None = Field(None, description="Epochs planned.")
    global_step: Count | None = Field(None, description="Optimizer steps taken.")
    percent: Count | None = Field(None, description="Share of the planned work that is done.")
    samples_per_second: MetricValue | None = Field(
        None, description="Images trained on each second, all ranks."
    )
    estimated_completion_time: Timestamp | None = Field(
        None, description="When all planned epochs will be done."
    )
    last_heartbeat_time: Timestamp | None = Field(
        None, description="When rank 0 last took a step or changed phase."
    )
    trainer_phase: Annotated[str, Cut(32)] | None = Field(None, description="What the trainer is doing.")
    useful_seconds: Count | None = Field(
        None, description="Seconds of training, validation and testing that are in the result so far."
    )


class Metric(Report):
    """The last value of a metric."""

    name: MetricName
    value: MetricValue


class Best(Part):
    """The best epoch by the monitored metric."""

    name: MetricName
    value: MetricValue
    epoch: Count = Field(description="Epoch that reached it, counted from 1.")


class Checkpoint(Part):
    """The newest checkpoint on the volume."""

    step: Count = Field(description="Optimizer steps in it.")
    epoch: Count | None = Field(None, description="Epochs finished in it.")
    time: Timestamp | None = Field(None, description="When it was complete on the volume.")
    path: str | None = Field(None, max_length=1024, description="Its path inside the pods.")
    resumed_from_step: Count | None = Field(
        None, description="Step of the checkpoint that the current attempt went on from; 0 for a new start."
    )
    lost_steps: Count | None = Field(
        None, description="Steps that the last attempt had taken beyond that checkpoint, as far as is known."
    )


class LastFailure(Part):
    """What ended the last attempt that failed."""

    attempt: int = Field(description="Attempt that failed.")
    pod: str | None = Field(None, description="Pod that failed first.")
    index: int | None = Field(None, description="Its completion index: torchrun's node rank.")
    rank: Count | None = Field(None, description="Global rank of the process that failed first.")
    node: str | None = Field(None, description="Node that it ran on.")
    exit_code: int | None = Field(None, description="Exit code of its container.")
    reason: str = Field(max_length=64, description="One word for the cause.")
    message: Annotated[str, Cut(4096)] = Field("", description="The last error line.")
    advice: Annotated[str, Cut(1024)] = Field("", description="What to do about it.")


class Restarts(Part):
    """How often attempts ended before the run was complete, since its creation."""

    failures: Count = Field(0, description="By an error of the program or a kill.")
    stalls: Count = Field(0, description="For lack of progress.")
    disruptions: Count = Field(0, description="By evictions, preemptions, lost nodes and the like; free.")
    total: Count = Field(0, description="All of them.")


class Budget(Part):
    """What is left of `restart.maxFailures`."""

    failures: Count = Field(0, description="Failures and stalls since training last got further.")
    step: Count | None = Field(
        None,
        description="A checkpoint beyond this step makes the count zero again; absent where steps are "
        "unknown.",
    )


class AttemptRecord(Report):
    """One attempt that ended."""

    number: Count = Field(description="Counted from 1.")
    outcome: AttemptOutcome = Field(description="How it ended, and so what it cost.")
    reason: str = Field(max_length=64, description="One word for the cause.")
    message: Annotated[str, Cut(1024)] = Field("", description="The cause in a line.")
    pod: str | None = Field(None, max_length=253, description="Pod that ended first.")
    node: str | None = Field(None, max_length=253, description="Node that it ran on.")
    start_time: Timestamp | None = Field(None, description="When all pods ran; absent where they never did.")
    end_time: Timestamp | None = Field(None, description="When it ended.")
    duration_seconds: Count | None = Field(None, description="Seconds that all pods ran.")
    from_step: Count | None = Field(None, description="Step of the checkpoint that it went on from.")
    to_step: Count | None = Field(None, description="Last step that it is known to have taken.")
    lost_steps: Count | None = Field(
        None, description="Of those, how many the next attempt had to repeat, once that is known."
    )


class Stopping(Part):
    """The operator's own decision to end an attempt; written before the first pod is deleted."""

    attempt: Count
    reason: str = Field(max_length=64, description="One word for the cause.")
    message: Annotated[str, Cut(4096)] = Field("", description="The cause in a line.")
    time: Timestamp = Field(description="When it was decided.")


class SilentRank(Report):
    """A rank that stopped moving, and what it did last."""

    rank: Count
    pod: str = Field(max_length=253)
    node: str = Field("", max_length=253)
    phase: Annotated[str, Cut(32)] | None = Field(None, description="What it was doing.")
    step: Count | None = Field(None, description="Its last optimizer step.")
    last_heartbeat_time: Timestamp | None = Field(None, description="When it last moved.")


MAX_ATTEMPT_RECORDS = 5
MAX_SILENT_RANKS = 16


class TrainingRunStatus(Report):
    """What the operator knows about the run."""

    phase: Phase | None = Field(
        None, description="Pending, Running, Completed or Failed; derived from conditions."
    )
    observed_generation: int | None = Field(None, description="metadata.generation that this status is for.")
    conditions: list[Condition] | None = Field(
        None,
        max_length=16,
        description="Observations, one of each type.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    reason: str | None = Field(
        None, max_length=64, description="Reason of the condition that decides the phase."
    )
    message: Message | None = Field(None, description="Message of the condition that decides the phase.")
    attempt: int | None = Field(None, description="Number of the current or last attempt, counted from 1.")
    start_time: Timestamp | None = Field(None, description="When all pods first ran.")
    completion_time: Timestamp | None = Field(None, description="When the run was Completed or Failed.")
    nodes_ready: str | None = Field(
        None, max_length=16, description="Pods that run, of those wanted, such as 2/2."
    )
    progress: Progress | None = Field(None, description="How far training is.")
    metrics: list[Metric] | None = Field(
        None,
        max_length=MAX_METRICS,
        description="Last value of each metric.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    best: Best | None = Field(None, description="The best epoch by the monitored metric.")
    checkpoint: Checkpoint | None = Field(None, description="The newest checkpoint.")
    checkpoint_claim: str | None = Field(None, max_length=253, description="Claim that holds the results.")
    run_directory: str | None = Field(
        None, max_length=1024, description="The run's directory, as pods see it."
    )
    last_failure: LastFailure | None = Field(None, description="What ended the last attempt that failed.")
    attempts: list[AttemptRecord] | None = Field(
        None,
        max_length=MAX_ATTEMPT_RECORDS,
        description="The last attempts that ended, oldest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    restarts: Restarts | None = Field(None, description="How often attempts ended too early.")
    budget: Budget | None = Field(None, description="What is left of restart.maxFailures.")
    stopping: Stopping | None = Field(None, description="Why the operator is ending the current attempt.")
    next_attempt_time: Timestamp | None = Field(None, description="When the next attempt may start.")
    active_seconds: Count | None = Field(
        None, description="Seconds that ended attempts were Running, since the last retry by hand."
    )
    paused_seconds: Count | None = Field(
        None,
        description="Seconds since the start that the run was not to run: suspended, queued, or Failed.",
    )
    silent_ranks: list[SilentRank] | None = Field(
        None,
        max_length=MAX_SILENT_RANKS,
        description="Ranks that stopped moving when the run last stalled.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    waiting_for: str | None = Field(
        None, max_length=253, description="Run of the same project that is active."
    )
    retried: str | None = Field(
        None, max_length=1024, description="Text of the retry annotation that was last seen on a Failed run."
    )
    goodput: MetricValue | None = Field(
        None, description="Share of the time since the start that is in the result, 0 to 1."
    )
    columns: Columns | None = Field(None, description="Text for kubectl's columns.")

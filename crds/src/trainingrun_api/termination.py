"""The message that a training pod leaves in its termination log, at most 4 KiB of JSON.

The kubelet copies it into the pod's status, so the operator learns the end of a run without logs, volumes or
a scrape: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/.
"""

import json
from typing import Literal

from pydantic import Field, ValidationError

from trainingrun_api.model import Report
from trainingrun_api.status import MAX_METRICS, Best, Checkpoint, Count, Metric, MetricValue

PEER_LOST = "PeerLost"
"""`error.type` of a rank that fell over another one's end: never the cause."""
NCCL_TIMEOUT = "NcclTimeout"
"""`error.type` of a rank whose collective ran into its time limit, NCCL's or gloo's."""
MAX_BYTES = 4096
"""The kubelet cuts what is longer."""

Outcome = Literal["completed", "failed", "interrupted"]


class TerminationError(Report):
    """The first error of the pod."""

    type: str = Field(description="Class of the error.")
    message: str = Field(description="The last error line.")
    advice: str = Field("", description="What to do about it.")


class TerminationMessage(Report):
    """How the pod's processes ended."""

    outcome: Outcome
    rank: Count | None = Field(None, description="Global rank that ended first, where one failed.")
    epochs: Count | None = Field(None, description="Epochs finished.")
    total_epochs: Count | None = Field(None, description="Epochs planned.")
    global_step: Count | None = Field(None, description="Optimizer steps taken.")
    useful_seconds: Count | None = Field(
        None, description="Seconds of training, validation and testing that are in the result."
    )
    samples_per_second: MetricValue | None = Field(
        None, description="Images trained on each second in the last epoch, all ranks."
    )
    early_stopped: bool | None = None
    best: Best | None = None
    monitor: str | None = Field(None, description="Name of the monitored metric.")
    metrics: list[Metric] | None = Field(
        None, max_length=MAX_METRICS, description="Last values, most telling first."
    )
    checkpoint: Checkpoint | None = None
    error: TerminationError | None = None

    def encode(self) -> bytes:
        """JSON of at most MAX_BYTES: metrics go from the end, then the texts of the error are cut."""
        message = self
        while len(data := json.dumps(message.to_wire(), separators=(",", ":")).encode()) > MAX_BYTES:
            message = message._shortened()
        return data

    def _shortened(self) -> "TerminationMessage":
        if self.metrics:
            return self.model_copy(update={"metrics": self.metrics[:-1]})
        if self.error and (self.error.message or self.error.advice):
            longer = "message" if len(self.error.message) >= len(self.error.advice) else "advice"
            text: str = getattr(self.error, longer)
            return self.model_copy(
                update={"error": self.error.model_copy(update={longer: text[: len(text) // 2]})}
            )
        raise ValueError(f"a termination message cannot be cut to {MAX_BYTES} bytes: nothing is left to drop")

    @classmethod
    def decode(cls, text: str) -> "TerminationMessage | None":
        """The message in a pod's status; None where an image wrote nothing, or what no status could hold."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

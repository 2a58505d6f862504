"""`spec.checkpoints`: where checkpoints and results are kept, and how often one is written."""

from typing import ClassVar, Literal

from pydantic import Field

from trainingrun_api.fields import MAX_SECONDS, ObjectName, Size
from trainingrun_api.model import ApiModel, Rule


class Checkpoints(ApiModel):
    """Where checkpoints and results are kept: an existing claim, or one that the operator creates."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.claim) != has(self.size)",
            "set exactly one of checkpoints.claim (an existing PersistentVolumeClaim) and checkpoints.size "
            "(a new one)",
        ),
        Rule(
            "!has(self.claim) || (!has(self.storageClass) && !has(self.accessMode) && self.retain)",
            "checkpoints.storageClass, checkpoints.accessMode and checkpoints.retain: false belong to a new "
            "claim: remove them, or replace checkpoints.claim by checkpoints.size",
        ),
    )

    claim: ObjectName | None = Field(
        None, description="Existing PersistentVolumeClaim in the run's namespace."
    )
    size: Size | None = Field(None, description="Size of the claim that the operator creates, such as 50Gi.")
    storage_class: ObjectName | None = Field(None, description="Its storage class. Default: the cluster's.")
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"] | None = Field(
        None, description="Its access mode. Default: ReadWriteOnce for one node, ReadWriteMany for more."
    )
    retain: bool = Field(True, description="Keep a created claim when the TrainingRun is deleted.")
    every_seconds: int = Field(
        300,
        ge=0,
        le=MAX_SECONDS,
        description="Greatest time between two checkpoints, in seconds; 0 saves at the end of each epoch "
        "only. A fault costs at most this much work.",
    )
    every_steps: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Optimizer steps between two checkpoints, besides those by time and by epoch.",
    )

"""`spec` of a TrainingRun: what a user asks for. Source of the generated CustomResourceDefinition.

Field descriptions are what `kubectl explain` prints. The rules refuse at apply time what would otherwise fail
later, in a pod or at a child of the run.
"""

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.config import JsonDict

from trainingrun_api import names
from trainingrun_api.checkpoints import Checkpoints
from trainingrun_api.fields import MAX_SECONDS, Image, ObjectName, ProjectName
from trainingrun_api.lifecycle import Deadlines, Restart
from trainingrun_api.model import ApiModel, Rule
from trainingrun_api.pod import EnvVar, PodOptions, Resources, Volume
from trainingrun_api.rules import immutable, movable_while_suspended
from trainingrun_api.training import TrainingConfig


def _map_of(key: str) -> JsonDict:
    """Schema of a list with one entry for each value of ``key``: duplicates are refused, appliers merge."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _mounted(path: str) -> str:
    """CEL: the path lies in one of the volumes or in the checkpoint volume."""
    return (
        f"{path}.startsWith('{names.CHECKPOINTS_DIR}/') || (has(self.volumes) && "
        f"self.volumes.exists(v, {path} == v.mountPath || {path}.startsWith(v.mountPath + '/')))"
    )


def _mounted_weights(name: str) -> Rule:
    """Weights lie in a volume, unless the image is the user's own."""
    path = f"training.model.{name}"
    return Rule(
        f"!has(self.training) || !has(self.{path}) || size(self.image) > 0 || {_mounted(f'self.{path}')}",
        f"{path} is in no volume of the pods: set it to a path below the mountPath of one of spec.volumes, "
        "or mount the claim that holds it",
        f".{path}",
    )


class TrainingRunSpec(ApiModel):
    """What to train, on what, and where results go; all but how it is run is immutable."""

    mutable: ClassVar[frozenset[str]] = frozenset(
        {"suspend", "ttlSecondsAfterFinished", "queue", "restart", "pod"}
    )
    """Fields without a rule that they stay as they are; some have rules of their own."""
    cel_rules: ClassVar[tuple[Rule, ...]] = (
        movable_while_suspended("queue"),
        movable_while_suspended("pod.priorityClassName"),
        Rule(
            "has(self.training) != has(self.command)",
            "set exactly one of spec.training (the built-in trainer) and spec.command (your own program)",
        ),
        Rule(
            "!has(self.args) || has(self.command)",
            "spec.args belongs to spec.command: set spec.command too, or remove spec.args",
            ".args",
        ),
        Rule(
            "!has(self.command) || size(self.image) > 0",
            "spec.command needs spec.image: the default image holds the built-in trainer only",
            ".image",
        ),
        Rule(
            "!has(self.training) || has(self.checkpoints)",
            "spec.training needs spec.checkpoints to keep its results: set checkpoints.claim (an existing "
            "PersistentVolumeClaim) or checkpoints.size (a new one)",
        ),
        Rule(
            "!has(self.checkpoints) || !has(self.checkpoints.accessMode) || self.nodes == 1 || "
            "self.checkpoints.accessMode == 'ReadWriteMany'",
            "checkpoints.accessMode must be ReadWriteMany where nodes is above 1: every pod mounts the claim",
            ".checkpoints.accessMode",
        ),
        Rule(
            f"!has(self.training) || size(self.image) > 0 || {_mounted('self.training.data.path')}",
            "training.data.path is in no volume of the pods: set it to a path below the mountPath of one of "
            "spec.volumes, or mount the claim that holds it",
            ".training.data.path",
        ),
        *(_mounted_weights(name) for name in ("weights", "encoderWeights")),
        Rule(
            "!has(self.training) || self.training.accelerator != 'gpu' || self.resources.gpus > 0",
            "training.accelerator is gpu, but resources.gpus is 0: request at least one GPU, or set "
            "training.accelerator to cpu",
            ".resources.gpus",
        ),
        Rule(
            "!has(self.training) || self.training.precision != '16-mixed' || self.resources.gpus > 0",
            "training.precision is 16-mixed, but resources.gpus is 0: request at least one GPU, or set "
            "training.precision to auto",
            ".resources.gpus",
        ),
        Rule(
            "!has(self.training) || !has(self.processesPerNode) || self.training.accelerator == 'cpu' || "
            "self.resources.gpus == 0 || self.processesPerNode <= self.resources.gpus",
            "processesPerNode is above resources.gpus, and each process trains on a GPU of its own: lower "
            "it, request more GPUs, or set training.accelerator to cpu",
            ".processesPerNode",
        ),
    )

    nodes: int = Field(
        1, ge=1, le=names.MAX_NODES, description="Pods that train together (torchrun's nnodes)."
    )
    resources: Resources = Field(Resources(), description="What each pod requests.")
    processes_per_node: int | None = Field(
        None,
        ge=1,
        le=128,
        description="Training processes in each pod (torchrun's nproc-per-node). Default: one a GPU, or 1.",
    )
    image: Image = Field("", description="Image of the pods. Default: the operator's trainer image.")
    training: TrainingConfig | None = Field(None, description="Config of the built-in trainer.")
    command: list[Annotated[str, Field(max_length=4096)]] | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="A program to run in every pod instead of the built-in trainer.",
    )
    args: list[Annotated[str, Field(max_length=32768)]] | None = Field(
        None, max_length=256, description="Arguments of the command."
    )
    env: list[EnvVar] | None = Field(
        None, max_length=128, description="Environment of every pod.", json_schema_extra=_map_of("name")
    )
    volumes: list[Volume] | None = Field(
        None,
        max_length=32,
        description="Claims mounted into every pod.",
        json_schema_extra=_map_of("mountPath"),
    )
    checkpoints: Checkpoints | None = Field(None, description="Where checkpoints and results are kept.")
    restart: Restart = Field(Restart(), description="What follows when pods end too early.")
    deadlines: Deadlines = Field(Deadlines(), description="Times after which something is wrong.")
    suspend: bool = Field(
        False,
        description="Write a checkpoint, end the pods and wait; false goes on from the checkpoint. Can "
        "change.",
    )
    project: ProjectName | None = Field(
        None,
        description="One run of a project is active at a time in a namespace; the others wait, first "
        "come first served.",
    )
    queue: ObjectName | None = Field(
        None, description="Kueue LocalQueue that admits the pods. Can change while the run is suspended."
    )
    ttl_seconds_after_finished: int | None = Field(
        None,
        ge=0,
        le=MAX_SECONDS,
        description="Delete the TrainingRun so many seconds after it Completed or Failed, with its Jobs and "
        "pods; a claim is kept as checkpoints.retain says. Default: never. Can change.",
    )
    pod: PodOptions = Field(PodOptions(), description="Curated fields of the pods.")

    @classmethod
    def rules_for(cls, fields: list[str]) -> tuple[Rule, ...]:
        """Fields are immutable unless they say otherwise, beside the relations between them."""
        return (*cls.cel_rules, *(immutable(field) for field in fields if field not in cls.mutable))

    @property
    def local_world_size(self) -> int:
        """Training processes in each pod, with the default resolved."""
        return self.processes_per_node or max(self.resources.gpus, 1)

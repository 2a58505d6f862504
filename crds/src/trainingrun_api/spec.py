"""`spec` of a TrainingRun: what a user asks for. Source of the generated CustomResourceDefinition.

Field descriptions are what `kubectl explain` prints. The rules refuse at apply time what would otherwise fail
later, in a pod or at a child of the run.
"""

import json
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.config import JsonDict

from trainingrun_api import names
from trainingrun_api.fields import (
    KEY_PATTERN,
    AbsolutePath,
    Cores,
    EnvName,
    ExtendedResource,
    Image,
    Key,
    LabelValue,
    ObjectName,
    ProjectName,
    Size,
    SubPath,
    TaintKey,
)
from trainingrun_api.model import ApiModel, Rule
from trainingrun_api.training import TrainingConfig

RESERVED_MOUNTS = (names.CHECKPOINTS_DIR, names.CONFIG_DIR, names.SHARED_MEMORY_DIR, names.SCRATCH_DIR)
DEFAULT_SHARED_MEMORY = "2Gi"

MAX_SECONDS = 31_536_000
"""A year: longer times are mistakes."""

_KEY = json.dumps(KEY_PATTERN)


def _map_of(key: str) -> JsonDict:
    """Schema of a list with one entry for each value of ``key``: duplicates are refused, appliers merge."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _valid_keys(field: str) -> Rule:
    return Rule(
        f"!has(self.{field}) || self.{field}.all(k, k.matches({_KEY}))",
        f"pod.{field} has a key that Kubernetes refuses: write name or domain/name with letters, digits, "
        '"-", "_" and ".", such as team or example.com/team',
        f".{field}",
    )


def _free_keys(field: str) -> Rule:
    return Rule(
        f"!has(self.{field}) || self.{field}.all(k, "
        f"!{list(names.RESERVED_KEY_PREFIXES)}.exists(p, k.startsWith(p)))",
        f"pod.{field} has a key that belongs to the operator or the Job controller "
        f"({', '.join(f'{p}*' for p in names.RESERVED_KEY_PREFIXES)}): choose another key",
        f".{field}",
    )


def _immutable(field: str, parent: str = "spec") -> Rule:
    """Stands on the parent: a rule on an optional field itself would not see it come or go."""
    return Rule(
        f"{_same(f'self.{field}', f'oldSelf.{field}')}",
        f"{parent}.{field} cannot change once the run exists: create a run of another name, or delete this "
        "one first",
        f".{field}",
    )


def _movable_while_suspended(field: str) -> Rule:
    return Rule(
        f"oldSelf.suspend || {_same(f'self.{field}', f'oldSelf.{field}')}",
        f"spec.{field} can change only while the run is suspended: set spec.suspend to true first",
        f".{field}",
    )


def _same(new: str, old: str) -> str:
    """CEL: both are absent, or both are there and equal."""
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


def _mounted(path: str) -> str:
    """CEL: the path lies in one of the volumes or in the checkpoint volume."""
    return (
        f"{path}.startsWith('{names.CHECKPOINTS_DIR}/') || (has(self.volumes) && "
        f"self.volumes.exists(v, {path} == v.mountPath || {path}.startsWith(v.mountPath + '/')))"
    )


class Resources(ApiModel):
    """What each pod requests. Requests equal limits, so that a training pod is never squeezed."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            # The kubelet caps /dev/shm at the memory, so the default does no harm in a small pod.
            f"!has(self.memory) || self.sharedMemory == '{DEFAULT_SHARED_MEMORY}' || "
            "!isQuantity(self.memory) || !isQuantity(self.sharedMemory) || "
            "!quantity(self.sharedMemory).isGreaterThan(quantity(self.memory))",
            "resources.sharedMemory counts as memory and cannot exceed resources.memory: lower sharedMemory "
            "or raise memory",
            ".sharedMemory",
        ),
    )

    gpus: int = Field(1, ge=0, le=64, description="GPUs of each pod; 0 trains on the CPU.")
    gpu_resource: ExtendedResource = Field(
        "nvidia.com/gpu", description="Extended resource by which the cluster counts GPUs."
    )
    cpu: Cores | None = Field(
        None, description="CPU cores of each pod: an integer such as 16, or text such as 500m."
    )
    memory: Size | None = Field(None, description="Memory of each pod, such as 64Gi.")
    shared_memory: Size = Field(
        DEFAULT_SHARED_MEMORY,
        description="Greatest size of /dev/shm, through which loader processes hand over batches. Counts as "
        "memory.",
    )


class EnvVar(ApiModel):
    """One environment variable of every pod."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!{list(names.RESERVED_ENV_PREFIXES)}.exists(p, self.name.startsWith(p)) && "
            f"!(self.name in {list(names.RESERVED_ENV_NAMES)})",
            "this environment variable is set by the operator and torchrun "
            f"({', '.join(f'{p}*' for p in names.RESERVED_ENV_PREFIXES)}, "
            f"{', '.join(names.RESERVED_ENV_NAMES)}): choose another name",
            ".name",
        ),
    )

    name: EnvName = Field(description="Name of the variable.")
    value: str = Field("", max_length=32768, description="Its value.")


class Volume(ApiModel):
    """A claim mounted into every pod."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!{list(RESERVED_MOUNTS)}.exists(p, p == self.mountPath || self.mountPath.startsWith(p + '/') "
            "|| p.startsWith(self.mountPath + '/'))",
            f"mountPath would cover a directory of the operator's ({', '.join(RESERVED_MOUNTS)}): choose "
            "another, such as /data",
            ".mountPath",
        ),
    )

    claim: ObjectName = Field(description="PersistentVolumeClaim in the run's namespace.")
    mount_path: AbsolutePath = Field(description="Directory in the pod.")
    sub_path: SubPath | None = Field(
        None, description="Directory inside the claim to mount instead of its root."
    )
    read_only: bool = Field(False, description="Mount read-only.")


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


class Restart(ApiModel):
    """What follows when pods end before the run is complete. Evictions, preemptions and lost nodes are
    free."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.backoffSeconds <= self.maxBackoffSeconds",
            "restart.backoffSeconds is above restart.maxBackoffSeconds: lower it, or raise maxBackoffSeconds",
            ".backoffSeconds",
        ),
        Rule(
            "self.maxFailures >= oldSelf.maxFailures",
            "spec.restart.maxFailures can be raised, but not lowered: create a run of another name, or "
            "delete this one first",
            ".maxFailures",
        ),
        *(
            _immutable(field, "spec.restart")
            for field in ("backoffSeconds", "maxBackoffSeconds", "nodeLostSeconds")
        ),
    )

    max_failures: int = Field(
        3,
        ge=0,
        le=100,
        description="Failures and stalls in a row after which the run is Failed with the next one. A new "
        "checkpoint beyond the last failure makes the count zero again. Can be raised later.",
    )
    backoff_seconds: int = Field(
        10,
        ge=0,
        le=86400,
        description="Pause after the first failure, in seconds; doubles with each in a row.",
    )
    max_backoff_seconds: int = Field(300, ge=0, le=86400, description="Longest pause, in seconds.")
    node_lost_seconds: int = Field(
        60,
        ge=0,
        le=86400,
        description="How long an unreachable node may take to come back, in seconds, before its pods are "
        "given up and the run goes on elsewhere.",
    )


class Deadlines(ApiModel):
    """Times after which something is wrong."""

    startup_seconds: int = Field(
        1800,
        ge=1,
        le=MAX_SECONDS,
        description="From the creation of an attempt, or its admission by the queue, until all of its pods "
        "run.",
    )
    active_seconds: int | None = Field(
        None, ge=1, le=MAX_SECONDS, description="Time that the run may be Running in all. Default: no limit."
    )
    stall_seconds: int = Field(
        600,
        ge=5,
        le=MAX_SECONDS,
        description="Time without a step, a validated batch or other progress after which the pods are "
        "restarted.",
    )


class Toleration(ApiModel):
    """A taint that pods tolerate, as in a pod's spec.tolerations."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.key) || self.operator == 'Exists'",
            "a toleration without a key matches every taint: set tolerations.operator to Exists, or name a "
            "key",
            ".operator",
        ),
        Rule(
            "self.operator == 'Equal' || !has(self.value)",
            "tolerations.operator Exists ignores values: remove tolerations.value, or set operator to Equal",
            ".value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerations.tolerationSeconds belongs to the effect NoExecute: set tolerations.effect to "
            "NoExecute, or remove tolerationSeconds",
            ".tolerationSeconds",
        ),
    )

    key: TaintKey | None = Field(None, description="Taint key; absent matches all keys.")
    operator: Literal["Exists", "Equal"] = Field("Equal", description="How key and value are compared.")
    value: LabelValue | None = Field(None, description="Taint value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Taint effect; absent matches all effects."
    )
    toleration_seconds: int | None = Field(None, ge=0, description="How long a NoExecute taint is tolerated.")


class PodOptions(ApiModel):
    """Curated fields of the pods; security context and restart policy are the operator's."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        *(_valid_keys(field) for field in ("nodeSelector", "labels", "annotations")),
        *(_free_keys(field) for field in ("labels", "annotations")),
    )

    @classmethod
    def rules_for(cls, fields: list[str]) -> tuple[Rule, ...]:
        """All but the priority is immutable; its rule stands on the spec, which knows `suspend`."""
        return (
            *cls.cel_rules,
            *(_immutable(field, "spec.pod") for field in fields if field != "priorityClassName"),
        )

    node_selector: dict[Key, LabelValue] | None = Field(
        None, max_length=32, description="Labels that a node must carry."
    )
    tolerations: list[Toleration] | None = Field(
        None, max_length=32, description="Taints that pods tolerate."
    )
    priority_class_name: ObjectName | None = Field(None, description="PriorityClass of the pods.")
    image_pull_secrets: list[ObjectName] | None = Field(
        None,
        max_length=16,
        description="Names of Secrets for the image's registry.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    labels: dict[Key, LabelValue] | None = Field(None, max_length=32, description="More labels for the pods.")
    annotations: dict[Key, Annotated[str, Field(max_length=4096)]] | None = Field(
        None, max_length=32, description="More annotations for the pods."
    )
    termination_grace_period_seconds: int = Field(
        60, ge=1, le=3600, description="Time from SIGTERM to SIGKILL; must leave room to write a checkpoint."
    )


class TrainingRunSpec(ApiModel):
    """What to train, on what, and where results go. Immutable but for how it is run: a changed idea is a new
    run."""

    mutable: ClassVar[frozenset[str]] = frozenset(
        {"suspend", "ttlSecondsAfterFinished", "queue", "restart", "pod"}
    )
    """Fields without a rule that they stay as they are; some have rules of their own."""
    cel_rules: ClassVar[tuple[Rule, ...]] = (
        _movable_while_suspended("queue"),
        _movable_while_suspended("pod.priorityClassName"),
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
        Rule(
            "!has(self.training) || !has(self.training.model.weights) || size(self.image) > 0 || "
            f"{_mounted('self.training.model.weights')}",
            "training.model.weights is in no volume of the pods: set it to a path below the mountPath of "
            "one of spec.volumes, or mount the claim that holds it",
            ".training.model.weights",
        ),
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
        return (*cls.cel_rules, *(_immutable(field) for field in fields if field not in cls.mutable))

    @property
    def local_world_size(self) -> int:
        """Training processes in each pod, with the default resolved."""
        return self.processes_per_node or max(self.resources.gpus, 1)

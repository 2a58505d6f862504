"""What the pods of a run are made of: resources, environment, volumes and the curated fields of `spec.pod`.

The rules refuse what the API server would refuse in a pod, or what would cover something of the operator's.
"""

import json
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainingrun_api import names
from trainingrun_api.fields import (
    KEY_PATTERN,
    AbsolutePath,
    Cores,
    EnvName,
    ExtendedResource,
    Key,
    LabelValue,
    ObjectName,
    Size,
    SubPath,
    TaintKey,
)
from trainingrun_api.model import ApiModel, Rule
from trainingrun_api.rules import immutable

RESERVED_MOUNTS = (names.CHECKPOINTS_DIR, names.CONFIG_DIR, names.SHARED_MEMORY_DIR, names.SCRATCH_DIR)
DEFAULT_SHARED_MEMORY = "2Gi"

_KEY = json.dumps(KEY_PATTERN)


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
            *(immutable(field, "spec.pod") for field in fields if field != "priorityClassName"),
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

"""What an administrator gives to the pods of all runs; where a run says otherwise, its word counts. Pure."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field, field_validator

from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.fields import LabelValue, ObjectName, TaintKey
from trainingrun_api.model import ApiModel
from trainingrun_api.pod import EnvVar, Toleration

One = TypeVar("One")


class PodDefaults(ApiModel):
    """Fields of `spec.pod` and `spec.env`, by the same names."""

    node_selector: dict[TaintKey, LabelValue] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    priority_class_name: ObjectName | None = None
    image_pull_secrets: list[ObjectName] = Field(default_factory=list)
    labels: dict[TaintKey, LabelValue] = Field(default_factory=dict)
    annotations: dict[TaintKey, str] = Field(default_factory=dict)
    env: list[EnvVar] = Field(default_factory=list)

    @field_validator("labels", "annotations")
    @classmethod
    def _free_keys(cls, value: dict[str, str]) -> dict[str, str]:
        _refuse(value, names.RESERVED_KEY_PREFIXES)
        return value

    @field_validator("env")
    @classmethod
    def _free_names(cls, value: list[EnvVar]) -> list[EnvVar]:
        _refuse({one.name: one.value for one in value}, names.RESERVED_ENV_PREFIXES, names.RESERVED_ENV_NAMES)
        return value

    def applied(self, spec: TrainingRunSpec) -> TrainingRunSpec:
        """The spec of a run with what it leaves open."""
        own = spec.pod
        told = {variable.name for variable in spec.env or ()}
        pod = own.model_copy(
            update={
                "node_selector": _merged(self.node_selector, own.node_selector),
                "tolerations": _joined(self.tolerations, own.tolerations),
                "priority_class_name": own.priority_class_name or self.priority_class_name,
                "image_pull_secrets": _joined(self.image_pull_secrets, own.image_pull_secrets),
                "labels": _merged(self.labels, own.labels),
                "annotations": _merged(self.annotations, own.annotations),
            }
        )
        env = _joined([variable for variable in self.env if variable.name not in told], spec.env)
        return spec.model_copy(update={"pod": pod, "env": env})


def _merged(defaults: Mapping[str, str], own: Mapping[str, str] | None) -> dict[str, str] | None:
    return {**defaults, **(own or {})} or None


def _joined(defaults: list[One], own: list[One] | None) -> list[One] | None:
    return [*(one for one in defaults if one not in (own or ())), *(own or ())] or None


def _refuse(found: Mapping[str, str], prefixes: tuple[str, ...], others: tuple[str, ...] = ()) -> None:
    if reserved := [key for key in found if key.startswith(prefixes) or key in others]:
        raise ValueError(f"{', '.join(reserved)} belongs to the operator: choose another name")

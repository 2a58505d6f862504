"""The operator's settings, read from the environment once, at start, and checked there."""

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from trainingrun_operator.pod_defaults import PodDefaults

PREFIX = "TRAININGRUN_OPERATOR_"

Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable, the value and what is wrong with it."""


def _split(text: object) -> object:
    return tuple(part for raw in text.split(",") if (part := raw.strip())) if isinstance(text, str) else text


def _read(text: object) -> object:
    return json.loads(text) if isinstance(text, str) else text


class Settings(BaseModel):
    """Effective settings; each is the environment variable TRAININGRUN_OPERATOR_<NAME IN CAPITALS>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trainer_image: str = Field(min_length=1)
    """Image of runs that name none."""
    namespaces: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    """Namespaces to watch, separated by commas; empty watches all."""
    lease: str = Field("", pattern=r"^([a-z0-9][-a-z0-9.]*/[a-z0-9][-a-z0-9.]*)?$")
    """<namespace>/<name> of the Lease by which several operators agree on the one that works; empty: there is
    but one."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """Pull policy of the trainer image; images that a run names follow Kubernetes' default."""
    pod_defaults: Annotated[PodDefaults, BeforeValidator(_read)] = PodDefaults()
    """What the pods of all runs get where their run does not say otherwise, as JSON."""
    metrics_port: Port = 8000
    """Port of /metrics."""
    health_port: Port = 8080
    """Port of /healthz."""
    workers: int = Field(16, ge=1, le=256)
    """Runs that are reconciled at the same time; also connections to the API server."""
    resync_seconds: int = Field(300, ge=1, le=86400)
    """How often all objects are listed, compared with the index and reconciled."""
    progress_seconds: int = Field(10, ge=1, le=3600)
    """How often a trainer is asked for its progress, and how often live numbers are written at most."""
    log_format: Literal["json", "text"] = "json"
    """json for machines, text for people."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is logged."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Settings from environment variables; an empty variable counts as absent.

        Raises SettingsError.
        """
        given = {name: value for name in cls.model_fields if (value := environ.get(PREFIX + name.upper()))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError("; ".join(_explain(detail) for detail in error.errors())) from error


def _explain(detail: ErrorDetails) -> str:
    name, *inside = map(str, detail["loc"])
    variable = ".".join([PREFIX + name.upper(), *inside])
    if detail["type"] == "missing":
        return f"{variable} is not set: give it a value"
    return f"{variable} is {detail['input']!r}: {detail['msg']}"

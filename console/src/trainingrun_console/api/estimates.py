"""How long a run may take, by like ones that completed. Pure."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from statistics import median
from typing import Any

from pydantic import ValidationError

from trainingrun_api import TrainingConfig
from trainingrun_console.history.records import Run

Kind = tuple[str, str, int, int]
"""Task, architecture, nodes, GPUs of a node."""


def estimated_seconds(spec: Mapping[str, Any], completed: Iterable[Run]) -> float | None:
    """The median of the seconds an epoch of like runs, times the epochs; None where no run is like it."""
    wanted = kind_of(spec)
    if wanted is None:
        return None
    config, kind = wanted
    paces = [
        run.training_time / run.epoch
        for run in completed
        if run.training_time
        and run.epoch
        and (like := kind_of(run.object.get("spec") or {})) is not None
        and like[1] == kind
    ]
    return median(paces) * config.max_epochs if paces else None


def kind_of(spec: Mapping[str, Any]) -> tuple[TrainingConfig, Kind] | None:
    """The training config of a spec, and what else decides how long an epoch takes; None without either."""
    with suppress(ValidationError, TypeError, ValueError, AttributeError):
        config = TrainingConfig.model_validate(spec.get("training"))
        gpus = int((spec.get("resources") or {}).get("gpus") or 0)
        return config, (config.task, config.model.architecture, int(spec.get("nodes") or 1), gpus)
    return None

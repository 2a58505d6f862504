"""Dotted overrides of a configuration -> the spec of a TrainingRun. Pure.

Two vocabularies: the fields of the spec (training.optimizer.learningRate, nodes), and the words of the
X-ray system's configuration (experiment.learning_rate, system.batch_size), whose clients may stay as they
are. A key that neither has is refused, for it would change nothing without anybody knowing.
"""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from trainingrun_api import TrainingRunSpec
from trainingrun_api.model import ApiModel
from trainingrun_console.api.problems import FieldError

PREFIX = "body.config_overrides."
OPEN = "training.model.parameters"
"""A map whose keys belong to the architecture's library."""
OWN_DIRECTORY = "checkpoints, logs and results lie in the run's own directory: set checkpoints.claim or .size"
WORDS: Mapping[str, str] = {
    "experiment.learning_rate": "training.optimizer.learningRate",
    "experiment.weight_decay": "training.optimizer.weightDecay",
    "experiment.dropout_rate": "training.model.dropout",
    "experiment.epochs": "training.maxEpochs",
    "experiment.batch_size": "training.data.batchSize",
    "experiment.fine_tune_layers_count": "training.model.fineTuneLayersCount",
    "experiment.early_stopping_patience": "training.earlyStopping.patience",
    "experiment.reduce_lr_patience": "training.scheduler.patience",
    "experiment.monitor_metric": "training.monitor",
    "system.batch_size": "training.data.batchSize",
    "system.num_workers": "training.data.numWorkers",
    "system.pin_memory": "training.data.pinMemory",
    "system.persistent_workers": "training.data.persistentWorkers",
    "system.prefetch_factor": "training.data.prefetchFactor",
    "system.validation_split": "training.data.validationSplit",
    "system.seed": "training.seed",
    "output.save_top_k": "training.artifacts.saveTopK",
}
"""Of the X-ray system, and the field of the spec that each is."""
WITHOUT_FIELD: Mapping[str, str] = {
    "output.checkpoint_dir": OWN_DIRECTORY,
    "output.log_dir": OWN_DIRECTORY,
    "output.results_dir": OWN_DIRECTORY,
}
"""Of the X-ray system, and why each has no place here."""


@dataclass(frozen=True, slots=True)
class Overridden:
    """What overrides come to."""

    fields: Mapping[str, Any]
    """Values by dotted path of the spec."""
    keys: Mapping[str, str]
    """The key that set each path."""
    errors: Sequence[FieldError]


def read(overrides: Mapping[str, Any]) -> Overridden:
    """Values by path; what cannot be taken is among the errors."""
    fields: dict[str, Any] = {}
    keys: dict[str, str] = {}
    errors = []
    for key, value in overrides.items():
        path = WORDS.get(key, key)
        if key in WITHOUT_FIELD:
            errors.append(FieldError(PREFIX + key, f"has no place here: {WITHOUT_FIELD[key]}"))
        elif path not in known() and not path.startswith(f"{OPEN}."):
            errors.append(FieldError(PREFIX + key, _unknown(key)))
        elif other := next((set_ for set_ in fields if _overlap(set_, path) and fields[set_] != value), None):
            errors.append(FieldError(PREFIX + key, f"sets {path}, which {keys[other]} sets to another value"))
        else:
            fields[path], keys[path] = value, key
    return Overridden(fields, keys, errors)


def nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Objects of values by dotted path.

    >>> nested({"training.maxEpochs": 3, "nodes": 1})
    {'training': {'maxEpochs': 3}, 'nodes': 1}
    """
    found: dict[str, Any] = {}
    for path, value in fields.items():
        *above, name = path.split(".")
        place = found
        for part in above:
            place = place.setdefault(part, {})
        place[name] = value
    return found


@cache
def known() -> frozenset[str]:
    """All leaves of the spec, by dotted path."""
    return frozenset(_leaves(TrainingRunSpec, ""))


def _leaves(model: type[ApiModel], above: str) -> Iterator[str]:
    for field in model.model_fields.values():
        path = f"{above}{field.alias}"
        inner = _model(field.annotation)
        if inner is None:
            yield path
        else:
            yield from _leaves(inner, f"{path}.")


def _model(annotation: Any) -> type[ApiModel] | None:
    """The model of a field that is one, or may be."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return next((found for each in get_args(annotation) if (found := _model(each))), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, ApiModel) else None


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _unknown(key: str) -> str:
    near = get_close_matches(key, [*WORDS, *known()], n=1, cutoff=0.0)
    by_name = [path for path in sorted(known()) if path.rpartition(".")[2] == key.rpartition(".")[2]]
    return f"there is no such field; the nearest is {(by_name or near)[0]}"

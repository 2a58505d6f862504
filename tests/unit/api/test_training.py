"""The trainer's config without an API server in front: `trainingrun-train --config` refuses the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tests.integration.api.corpus import CONFIG, Invalid
from trainingrun_api import TrainingConfig
from trainingrun_api.model import ApiModel

NEEDS_THE_SPEC = {
    "data-in-no-volume",
    "weights-in-no-volume",
    "encoder-weights-in-no-volume",
    "gpu-without-gpus",
    "half-precision-without-gpus",
}
"""Cases between the config and the rest of the spec, which the trainer does not see."""


def config(**data: Any) -> dict[str, Any]:
    return {"task": "classification", "data": {"format": "zip", "path": "/data/a.zip", **data}}


@pytest.mark.parametrize(
    "case", [case for case in CONFIG if case.name not in NEEDS_THE_SPEC], ids=lambda case: case.name
)
def test_what_the_api_server_refuses_python_refuses_too(case: Invalid) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig.model_validate(case.manifest()["spec"]["training"])


@pytest.mark.parametrize("name", sorted(NEEDS_THE_SPEC))
def test_the_other_configs_are_valid_by_themselves(name: str) -> None:
    (case,) = (case for case in CONFIG if case.name == name)
    TrainingConfig.model_validate(case.manifest()["spec"]["training"])


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all models in its fields."""
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from models(field.annotation)


@pytest.mark.parametrize("model", list(models(TrainingConfig)), ids=lambda model: model.__name__)
def test_every_rule_of_the_config_holds_in_python_too(model: type[ApiModel]) -> None:
    assert all(rule.holds is not None for rule in model.cel_rules)


def test_a_config_of_defaults_is_that_of_the_earlier_systems() -> None:
    defaults = TrainingConfig.model_validate(config())
    assert (defaults.seed, defaults.max_epochs, defaults.early_stopping.patience) == (42, 50, 7)
    assert (defaults.model.architecture, defaults.model.dropout) == ("resnet50", 0.3)
    assert (defaults.optimizer.name, defaults.optimizer.learning_rate) == ("adamw", 0.001)
    assert (defaults.scheduler.name, defaults.data.validation_split) == ("plateau", 0.2)

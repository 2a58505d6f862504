"""Data parallel training waits for the gradient of each weight, unless it is told to look for unused ones."""

from collections.abc import Mapping
from typing import Any

import pytest

from trainingrun_trainer import config, training
from trainingrun_trainer.accelerator import Accelerator

IMAGES = {"task": "classification"}
VOLUMES = {"task": "semantic-segmentation", "data": {"dimensions": 3}}
OBJECTS = {"task": "object-detection", "data": {"format": "coco"}}
OWN = {"model": {"architecture": "my_package.nets:build"}}


@pytest.mark.parametrize(
    ("content", "accelerator", "ranks", "looks"),
    [
        pytest.param(IMAGES, "gpu", 8, False, id="all weights take part"),
        pytest.param(IMAGES, "cpu", 2, False, id="two sums are the same in any order"),
        pytest.param(IMAGES, "cpu", 3, True, id="sums depend on the buckets"),
        pytest.param(IMAGES | {"model": {"freezeEncoderEpochs": 1}}, "gpu", 2, True, id="an encoder thaws"),
        pytest.param(IMAGES | OWN, "gpu", 2, False, id="a classifier of one's own was tried"),
        pytest.param(VOLUMES, "gpu", 2, False, id="a known network for volumes"),
        pytest.param(VOLUMES | OWN, "gpu", 2, True, id="one's own"),
        pytest.param(OBJECTS | OWN, "gpu", 2, True, id="a detector of one's own"),
    ],
)
def test_unused_weights_are_looked_for_where_there_may_be_some(
    content: Mapping[str, Any], accelerator: Accelerator, ranks: int, looks: bool
) -> None:
    data = {"format": "zip", "path": "/data/a.zip", **content.get("data", {})}
    parsed = config.parse({**content, "data": data, "maxEpochs": 2})
    strategy = training._data_parallel(parsed, ranks, accelerator)
    assert strategy._ddp_kwargs["find_unused_parameters"] is looks

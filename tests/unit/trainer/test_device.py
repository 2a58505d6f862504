"""A training step reads nothing back from the device that it runs on.

A tensor on torch's meta device has no values: an operation that needs one on the CPU, as `.item()` or
`torch.bincount` do, fails there, where a GPU would be waited for.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from trainingrun_trainer import config
from trainingrun_trainer.data.classification import Batch
from trainingrun_trainer.data.segmentation import SegmentationBatch
from trainingrun_trainer.predicting import Learned
from trainingrun_trainer.tasks import task

CLASSES = ("background", "liver", "tumor")
META = torch.device("meta")


def labels(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int64, device=META)


def pixels(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.uint8, device=META)


CLASSIFICATION = {"model": {"architecture": "timm/test_resnet"}}
SEGMENTATION = {"task": "semantic-segmentation", "model": {"architecture": "unet", "encoder": "resnet18"}}
VOLUMES = {
    "task": "semantic-segmentation",
    "data": {"dimensions": 3, "patchSize": [8, 8, 8]},
    "model": {"architecture": "unet", "parameters": {"channels": [4, 8], "strides": [2]}},
}


@pytest.mark.parametrize(
    ("content", "classes", "batch"),
    [
        (CLASSIFICATION, 2, Batch(pixels(4, 3, 32, 32), labels(4))),
        (CLASSIFICATION, 3, Batch(pixels(4, 3, 32, 32), labels(4))),
        *(
            (
                SEGMENTATION | {"loss": {"name": loss}},
                classes,
                SegmentationBatch(pixels(2, 3, 32, 32), labels(2, 32, 32)),
            )
            for loss, classes in (("combined", 2), ("combined", 3), ("iou", 3))
        ),
        (VOLUMES, 3, SegmentationBatch(torch.zeros(1, 1, 8, 8, 8, device=META), labels(1, 8, 8, 8))),
    ],
    ids=["two classes", "three classes", "foreground", "masks", "masks by iou", "volumes"],
)
def test_a_step_waits_for_nothing(content: Mapping[str, Any], classes: int, batch: Any) -> None:
    data = {"format": "zip", "path": "/data/a.zip", "imageSize": 32, **content.get("data", {})}
    whole = config.parse({"task": "classification", **content, "data": data})
    module = task(whole.task).module(whole, Learned(CLASSES[:classes], tuple(range(classes)))).to(META)
    for _ in range(2):
        module.train_batch(batch).backward()  # type: ignore[no-untyped-call]

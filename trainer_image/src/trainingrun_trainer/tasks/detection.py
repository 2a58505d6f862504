"""What object detection and instance segmentation have in common: all but the masks."""

from collections.abc import Mapping
from typing import Any

import torch

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data.detection_batches import DetectedImages, DetectionBatch
from trainingrun_trainer.metrics.detection import DetectionMetrics, LossMetrics, Objects
from trainingrun_trainer.models import detector
from trainingrun_trainer.tasks.module import TaskModule

MASK_THRESHOLD = 0.5
"""Probability from which a pixel belongs to an object."""


def results(scores: Mapping[str, float]) -> dict[str, Any]:
    """The headline scores of the best checkpoint under the names best_map, best_map_50, ..."""
    return {
        f"best_{name.removeprefix('val_')}": value
        for name, value in scores.items()
        if name.startswith("val_") and "_class_" not in name
    }


class DetectionModule(TaskModule):
    """A detector; see `TaskModule`. It computes its losses itself, in training alone, so there is no
    val_loss."""

    train_metrics: LossMetrics
    val_metrics: DetectionMetrics

    def __init__(self, config: TrainingConfig, data: DetectedImages) -> None:
        super().__init__(config)
        masks = config.task == "instance-segmentation"
        self.network = detector.build(config, classes=len(data.classes), masks=masks)
        self.train_metrics = LossMetrics()
        self.val_metrics = DetectionMetrics(data.classes, masks=masks)
        self.test_metrics = DetectionMetrics(data.classes, masks=masks)

    def forward(self, images: list[torch.Tensor]) -> Objects:
        """Predictions of uint8 images, each (channels, height, width); see `predict_batch`."""
        found: Objects = self.network(images)
        for objects in found:
            if "masks" in objects:
                objects["masks"] = objects["masks"].squeeze(1) > MASK_THRESHOLD
        return found

    def train_batch(self, batch: DetectionBatch) -> torch.Tensor:
        parts: dict[str, torch.Tensor] = self.network(batch.images, batch.targets)
        self.train_metrics.add(parts, len(batch.images))
        return torch.stack([part.float() for part in parts.values()]).sum()

    def evaluate_batch(self, batch: DetectionBatch, metrics: DetectionMetrics) -> tuple[Objects, Objects]:
        found = self(batch.images)
        metrics.add(found, batch.targets)
        return found, batch.targets

    def perfect(self, batch: DetectionBatch) -> tuple[Objects, Objects]:
        found = [
            {name: target[name] for name in ("boxes", "labels")}
            | {"scores": torch.ones_like(target["boxes"][:, 0])}
            | ({"masks": target["masks"].bool()} if "masks" in target else {})
            for target in batch.targets
        ]
        return found, batch.targets

    def predict_batch(self, batch: DetectionBatch) -> Objects:
        """For each image boxes (objects, 4) of left, top, right, bottom in its pixels, labels (objects,) from
        1 for the first class, scores (objects,), best first, and perhaps masks (objects, height, width) of
        bool."""
        found: Objects = self(batch.images)
        return found

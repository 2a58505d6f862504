"""Semantic segmentation of images and volumes: one class for each pixel or voxel."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data import segmentation
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.data.normalization import Normalization
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.data.segmentation import SegmentationBatch, SegmentedImages
from trainingrun_trainer.losses import class_weights
from trainingrun_trainer.losses.segmentation import SegmentationLoss
from trainingrun_trainer.metrics.segmentation import HEADLINE, SegmentationMetrics
from trainingrun_trainer.models import predictors
from trainingrun_trainer.report import drawings
from trainingrun_trainer.tasks.module import Task, TaskModule


def prepare(
    config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None] = lambda: None
) -> PreparedData:
    """Prepare images or volumes; see `data.classification.prepare`."""
    if config.data.dimensions == 2:
        return segmentation.prepare(config, scratch, threads, beat)
    from trainingrun_trainer.data import volumes  # what reads NIfTI takes time to import

    return volumes.prepare(config, scratch, threads, beat)


def results(scores: Mapping[str, float]) -> dict[str, Any]:
    """The headline scores of the best checkpoint under the names best_iou, best_dice, ..."""
    return {f"best_{name}": scores[f"val_{name}"] for name in HEADLINE}


class SegmentationModule(TaskModule):
    """A segmentation network; see `TaskModule`."""

    train_metrics: SegmentationMetrics
    val_metrics: SegmentationMetrics
    test_metrics: SegmentationMetrics

    def __init__(self, config: TrainingConfig, data: SegmentedImages) -> None:
        super().__init__(config)
        classes = data.classes
        self.loss = SegmentationLoss(
            config.loss, class_weights(config.loss, len(classes), lambda: data.pixel_counts("train"))
        )
        self.normalization: nn.Module
        if config.data.dimensions == 3:
            self.normalization = nn.Identity()  # volumes come as intensities in [0, 1]
            self.network = self._network_for_volumes()
        else:
            self.normalization = Normalization(config.data.normalization, config.data.channels)
            self.network = self._network_for_images()
        self.train_metrics = SegmentationMetrics(classes)
        self.val_metrics = SegmentationMetrics(classes, config.metrics.boundary_tolerance)
        self.test_metrics = SegmentationMetrics(classes, config.metrics.boundary_tolerance)

    def _network_for_images(self) -> nn.Module:
        from trainingrun_trainer.models import segmenter  # its libraries and those for volumes take seconds

        data = self.config.data
        return segmenter.build(
            self.config.model,
            outputs=self.loss.outputs,
            channels=data.channels,
            image_size=data.image_size,
            batch_size=data.batch_size,
        )

    def _network_for_volumes(self) -> nn.Module:
        from trainingrun_trainer.models import volumes

        return volumes.build(
            self.config.model, in_channels=1, outputs=self.loss.outputs, patch_size=self._patch_size
        )

    @property
    def _patch_size(self) -> tuple[int, int, int]:
        from trainingrun_trainer.data.volume_batches import patch_size

        return patch_size(self.config)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, (batch, outputs, height, width), of uint8 images, (batch, channels, height, width); or
        (batch, outputs, depth, height, width) of patches of volumes, (batch, 1, depth, height, width) in
        [0, 1]."""
        images = self.normalization(images)
        if images.is_cuda and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.network(images)
        return logits

    def infer(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of whole images or volumes, the latter by windows of the size of a patch."""
        if self.config.data.dimensions == 2:
            return cast(torch.Tensor, self(images))
        from trainingrun_trainer.models import volumes

        return volumes.infer(self, images, self._patch_size)

    def train_batch(self, batch: SegmentationBatch) -> torch.Tensor:
        loss, _ = self._count(self(batch.images), batch.masks, self.train_metrics)
        return loss

    def evaluate_batch(
        self, batch: SegmentationBatch, metrics: SegmentationMetrics
    ) -> tuple[torch.Tensor, torch.Tensor]:
        _, classes = self._count(self.infer(batch.images), batch.masks, metrics)
        return classes, batch.masks

    def perfect(self, batch: SegmentationBatch) -> tuple[torch.Tensor, torch.Tensor]:
        return batch.masks.where(batch.masks != IGNORED, 0), batch.masks

    def _count(
        self, logits: torch.Tensor, masks: torch.Tensor, metrics: SegmentationMetrics
    ) -> tuple[torch.Tensor, torch.Tensor]:
        losses: torch.Tensor = self.loss(logits, masks)
        classes = self.loss.classes(logits.detach())
        metrics.update(losses.detach(), classes, masks)
        return losses.mean(), classes

    def predict_batch(self, batch: SegmentationBatch) -> torch.Tensor:
        """Class index of each pixel or voxel, int64 of the masks' shape; the data's `label_values` say which
        label of the mask files that is."""
        return self.loss.classes(self.infer(batch.images))

    def evidence(self) -> dict[str, torch.Tensor]:
        return {"confusion": self.val_metrics.compute()["confusion"]}


TASK = Task(
    prepare=prepare,
    module=SegmentationModule,
    results=results,
    pictures=drawings.segmentations,
    exportable=predictors.classes,
)

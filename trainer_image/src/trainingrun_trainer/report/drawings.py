"""How each task's batches and predictions become pictures. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from trainingrun_trainer.report.overlays import Picture, classified, detected, segmented

Draw = Callable[[Any, Any, Sequence[str]], list[Picture]]
"""A batch, what `predict_batch` says of it, both on the CPU, and the classes -> a picture of each sample."""


def classifications(batch: Any, probabilities: torch.Tensor, classes: Sequence[str]) -> list[Picture]:
    """Of images and labels, and probabilities (batch, classes)."""
    return [
        classified(image, of_image, int(label), classes)
        for image, label, of_image in zip(batch.images, batch.labels, probabilities, strict=True)
    ]


def segmentations(batch: Any, predictions: torch.Tensor, classes: Sequence[str]) -> list[Picture]:
    """Of images and masks, and masks of predicted classes."""
    return [
        segmented(image, truth, prediction)
        for image, truth, prediction in zip(batch.images, batch.masks, predictions, strict=True)
    ]


def detections(batch: Any, predictions: Any, classes: Sequence[str]) -> list[Picture]:
    """Of images and targets, and predictions in the form of torchvision's detectors."""
    return [
        detected(image, truth, prediction, classes)
        for image, truth, prediction in zip(batch.images, batch.targets, predictions, strict=True)
    ]

"""ROC and precision-recall curves of single classes against the rest, from counted probabilities. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_precision_recall_curve,
    binary_roc,
)

MOST_CLASSES = 10
"""Curves in one plot: those of the classes with the most samples."""
MOST_POINTS = 1000
"""Points of a curve that are drawn."""

Points = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Curve:
    """A line of a plot."""

    label: str
    x: list[float]
    y: list[float]
    area: float
    """Below the curve; by all of its points, also those that are not drawn."""


def roc(probabilities: torch.Tensor, labels: torch.Tensor, classes: Sequence[str]) -> list[Curve]:
    """True positive rate over false positive rate, with the area AUROC.

    Args:
        probabilities: of each class, (samples, classes).
        labels: classes, (samples,).
        classes: names. Of two the second is the positive one, and its curve stands alone.
    """

    def points(scores: torch.Tensor, truth: torch.Tensor) -> Points:
        false_positive, true_positive, _ = binary_roc(scores, truth, validate_args=False)
        return false_positive, true_positive

    return _curves(probabilities, labels, classes, points, binary_auroc)


def precision_recall(
    probabilities: torch.Tensor, labels: torch.Tensor, classes: Sequence[str]
) -> list[Curve]:
    """Precision over recall, with the average precision as the area; arguments like those of `roc`."""

    def points(scores: torch.Tensor, truth: torch.Tensor) -> Points:
        precision, recall, _ = binary_precision_recall_curve(scores, truth, validate_args=False)
        return recall, precision

    return _curves(probabilities, labels, classes, points, binary_average_precision)


def _curves(
    probabilities: torch.Tensor,
    labels: torch.Tensor,
    classes: Sequence[str],
    points: Callable[[torch.Tensor, torch.Tensor], Points],
    area: Callable[..., torch.Tensor],
) -> list[Curve]:
    result = []
    for index in _drawn(labels, len(classes)):
        scores, truth = probabilities[:, index].double(), (labels == index).int()
        x, y = points(scores, truth)
        result.append(
            Curve(classes[index], _thinned(x), _thinned(y), float(area(scores, truth, validate_args=False)))
        )
    return result


def _drawn(labels: torch.Tensor, classes: int) -> list[int]:
    """Classes with both samples of their own and others: no curve is defined without."""
    counts = torch.bincount(labels, minlength=classes)
    candidates = [1] if classes == 2 else counts.argsort(descending=True, stable=True).tolist()
    defined = [index for index in candidates if 0 < counts[index] < len(labels)]
    return sorted(defined[:MOST_CLASSES])


def _thinned(values: torch.Tensor) -> list[float]:
    kept = torch.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().long()
    return [float(value) for value in values[kept]]

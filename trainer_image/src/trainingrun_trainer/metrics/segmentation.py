"""Scores of a segmentation, counted on the device as sums, so that they are exact over all ranks.

Class 0 is the background and in no mean: with two classes all scores but loss and accuracy are those of the
foreground, with more the mean over the classes of the foreground.

- accuracy: share of all pixels that are right.
- precision, recall, f1: from the pixels of the whole split; mean over the classes that occur in it.
- iou, dice, boundary_f1: of each sample the mean over the classes that occur in it, in truth or prediction;
  then the mean over the samples in which any does. iou_std and dice_std are the (population) standard
  deviation over the same samples. So a small object in one image counts as much as a large one in another,
  and a sample in which nothing is to be found and nothing was is left out.
- the same of single classes, background included (boundary_f1 apart): over the samples in which it occurs.

A ratio of 0 to 0 counts as 0, as does the mean of no samples. Pixels that masks ignore count nowhere.
"""

from collections.abc import Mapping, Sequence

import torch
from torchmetrics import Metric

from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.metrics.boundaries import boundary_f1
from trainingrun_trainer.metrics.classification import words

HEADLINE = ("loss", "iou", "dice", "accuracy", "precision", "recall", "f1", "boundary_f1")
WITH_STD = ("iou", "dice")


class SegmentationMetrics(Metric):
    """Loss, confusion of classes, and scores of samples of one split."""

    confusion: torch.Tensor
    loss: torch.Tensor
    samples: torch.Tensor

    def __init__(self, classes: Sequence[str], boundary_tolerance: float | None = None) -> None:
        """Scores of so many classes; boundaries, which take time, where a tolerance in pixels is given."""
        super().__init__()
        self.class_names = tuple(classes)
        self._tolerance = boundary_tolerance
        self._of_samples = ("iou", "dice") if boundary_tolerance is None else ("iou", "dice", "boundary_f1")
        count = len(classes)
        states = {
            "loss": torch.zeros((), dtype=torch.float64),
            "samples": torch.zeros((), dtype=torch.int64),
            "confusion": torch.zeros((count, count), dtype=torch.int64),
        }
        for name in self._of_samples:
            # sum, sum of squares and number of the scores of samples; sum and number of those of each class
            states[f"{name}_moments"] = torch.zeros(3, dtype=torch.float64)
            states[f"{name}_classes"] = torch.zeros((2, count), dtype=torch.float64)
        for name, state in states.items():
            self.add_state(name, state, dist_reduce_fx="sum")

    def update(self, losses: torch.Tensor, found: torch.Tensor, masks: torch.Tensor) -> None:
        """Count a batch.

        Args:
            losses: (batch,).
            found: class of each pixel, int64, (batch, height, width) or (batch, depth, height, width).
            masks: what it should be, alike, or IGNORED.
        """
        self.loss += losses.double().sum()
        self.samples += len(losses)
        confusions = confusion(found, masks, len(self.class_names))
        self.confusion += confusions.sum(dim=0)
        right, predicted, true = _overlaps(confusions)
        whole = predicted + true
        # NaN where the class occurs in neither
        self._count("iou", right / (whole - right))
        self._count("dice", 2 * right / whole)
        if self._tolerance is not None:
            self._count("boundary_f1", self._boundaries(found, masks, self._tolerance))

    def _boundaries(self, found: torch.Tensor, masks: torch.Tensor, tolerance: float) -> torch.Tensor:
        counts = masks != IGNORED
        nothing = torch.full((len(masks),), torch.nan, dtype=torch.float64, device=masks.device)
        scores = [
            boundary_f1((found == number) & counts, masks == number, tolerance)
            for number in range(1, len(self.class_names))
        ]
        return torch.stack([nothing, *scores], dim=1)

    def _count(self, name: str, scores: torch.Tensor) -> None:
        """Add the scores of samples and classes, (batch, classes), NaN where there is none."""
        there = ~scores.isnan()
        values = scores.nan_to_num()
        classes = getattr(self, f"{name}_classes")
        classes += torch.stack([values.sum(dim=0), there.sum(dim=0).double()])
        foreground = there[:, 1:].sum(dim=1)
        means = values[:, 1:].sum(dim=1) / foreground.clamp(min=1)  # 0 where nothing is there
        moments = getattr(self, f"{name}_moments")
        moments += torch.stack([means.sum(), means.square().sum(), (foreground > 0).sum().double()])

    def compute(self) -> dict[str, torch.Tensor]:
        """All states, of all ranks."""
        return {name: getattr(self, name) for name in self._defaults}

    def scores(self) -> dict[str, float]:
        """All scores so far; every rank must ask at the same point."""
        states = {name: state.cpu() for name, state in self.compute().items()}
        result = {"loss": float(states["loss"] / states["samples"])}
        result |= pixel_scores(states["confusion"], self.class_names)
        for name in self._of_samples:
            total, squares, count = states[f"{name}_moments"].tolist()
            mean = total / max(count, 1)
            result[name] = mean
            if name in WITH_STD:
                result[f"{name}_std"] = max(0.0, squares / max(count, 1) - mean**2) ** 0.5
            totals, counts = states[f"{name}_classes"]
            means = (totals / counts.clamp(min=1)).tolist()
            first = 1 if name == "boundary_f1" else 0
            for word, value in list(zip(words(self.class_names), means, strict=True))[first:]:
                result[f"{name}_class_{word}"] = value
        return result

    def counted(self) -> dict[str, torch.Tensor]:
        """What was counted so far by this rank, as sums."""
        return {name: getattr(self, name) for name in self._defaults}

    def count_from(self, counted: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `counted` gave."""
        for name in self._defaults:
            setattr(self, name, counted[name].to(self.device, copy=True))
        self._computed = None
        self._update_count = 1  # private: it must not warn that nothing was counted


def confusion(found: torch.Tensor, masks: torch.Tensor, classes: int) -> torch.Tensor:
    """How many pixels of each class (rows) were found to be of each (columns), int64, (batch, classes,
    classes)."""
    counts = masks != IGNORED
    cells = (masks * classes + found).where(counts, classes**2).flatten(1)
    counted = torch.zeros((len(masks), classes**2 + 1), dtype=torch.int64, device=masks.device)
    # torch.bincount would wait for the GPU
    counted.scatter_add_(1, cells, torch.ones_like(cells))
    return counted[:, :-1].view(-1, classes, classes)


def _overlaps(confusions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pixels of each class that are right, found and true, float64, (..., classes)."""
    right = confusions.diagonal(dim1=-2, dim2=-1)
    return right.double(), confusions.sum(dim=-2).double(), confusions.sum(dim=-1).double()


def pixel_scores(confusion: torch.Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Accuracy, precision, recall and f1 from the confusion of all pixels, (classes, classes)."""
    right, found, true = _overlaps(confusion)
    occurs = (found + true)[1:] > 0
    result = {"accuracy": float(right.sum() / confusion.sum().clamp(min=1))}
    ratios = {
        "precision": right / found.clamp(min=1),
        "recall": right / true.clamp(min=1),
        "f1": 2 * right / (found + true).clamp(min=1),
    }
    for name, values in ratios.items():
        result[name] = float(values[1:][occurs].mean()) if occurs.any() else 0.0
        for word, value in zip(words(classes), values.tolist(), strict=True):
            result[f"{name}_class_{word}"] = value
    return result

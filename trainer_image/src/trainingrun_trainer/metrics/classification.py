"""Scores of a classifier from what was counted."""

import re
import warnings
from collections.abc import Mapping, Sequence

import torch
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import BinaryAUROC, MulticlassAUROC
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.utilities.data import dim_zero_cat

HEADLINE = ("loss", "accuracy", "precision", "recall", "f1", "auroc")
PER_CLASS = ("precision", "recall", "f1")


class ClassCounts(Metric):
    """How many samples are of each class, were found to be, and were rightly found to be.

    MulticlassStatScores of torchmetrics counts by torch.bincount, which waits for the GPU in each step.
    """

    counts: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros((3, classes), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, found: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch: the class that was found, (batch,), and the right one, (batch,)."""
        ones = torch.ones_like(labels)
        values = torch.stack([(found == labels).to(ones.dtype), ones, ones])
        self.counts.scatter_add_(1, torch.stack([labels, found, labels]), values)

    def compute(self) -> torch.Tensor:
        """Right, found and true samples of each class, (3, classes)."""
        return self.counts


class ClassificationMetrics(MetricCollection):
    """Loss, counts and AUROC of one split, exact over all ranks.

    AUROC keeps the probabilities of all images of the split, too much for a large training split.
    """

    def __init__(self, classes: Sequence[str], *, auroc: bool = True) -> None:
        metrics: dict[str, Metric | MetricCollection] = {
            "loss": MeanMetric(nan_strategy="disable"),
            "counts": ClassCounts(len(classes)),
        }
        if auroc:
            metrics["auroc"] = (
                BinaryAUROC(validate_args=False)
                if len(classes) == 2
                else MulticlassAUROC(len(classes), average="none", validate_args=False)
            )
        super().__init__(metrics, compute_groups=False)
        self.class_names = tuple(classes)

    def add(self, losses: torch.Tensor, probabilities: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch: losses (batch,), probabilities (batch, classes), classes (batch,)."""
        self["loss"].update(losses.float())
        self["counts"].update(probabilities.argmax(dim=1), labels)
        if "auroc" in self:
            self["auroc"].update(probabilities[:, 1] if len(self.class_names) == 2 else probabilities, labels)

    def counted(self) -> dict[str, torch.Tensor]:
        """What was counted so far, without AUROC: sums, so that the counts of ranks may be added."""
        return {f"{metric}.{state}": getattr(self[metric], state) for metric, state in self._sums()}

    def count_from(self, counted: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `counted` gave."""
        for metric, state in self._sums():
            setattr(self[metric], state, counted[f"{metric}.{state}"].to(self[metric].device, copy=True))
            self[metric]._update_count = 1  # private: it must not warn that nothing was counted

    def _sums(self) -> list[tuple[str, str]]:
        return [(metric, state) for metric in ("loss", "counts") for state in self[metric]._defaults]

    def scores(self) -> dict[str, float]:
        """All scores so far; every rank must ask at the same point."""
        counts = self["counts"].compute().cpu()
        result = {"loss": float(self["loss"].compute()), **scores(counts, self.class_names)}
        if "auroc" in self:
            with warnings.catch_warnings():
                # a class without images, which is left out of the mean
                warnings.filterwarnings("ignore", message="No (positive|negative) samples in targets")
                auroc = self["auroc"].compute().cpu()
            result["auroc"] = float((auroc[counts[2] > 0] if auroc.ndim else auroc).mean())
        return result

    def evidence(self) -> dict[str, torch.Tensor]:
        """Confusion matrix (classes, classes) by truth and prediction, and what AUROC keeps of all ranks:
        probabilities (samples, classes) and labels (samples,). Every rank must ask at the same point."""
        auroc = self["auroc"]
        with auroc.sync_context():
            kept, labels = (dim_zero_cat(getattr(auroc, state)).cpu() for state in ("preds", "target"))
        probabilities = kept if kept.ndim == 2 else torch.stack([1 - kept, kept], dim=1)
        confusion = multiclass_confusion_matrix(
            probabilities.argmax(dim=1), labels, len(self.class_names), validate_args=False
        )
        return {"confusion": confusion, "probabilities": probabilities, "labels": labels}


def scores(counts: torch.Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Scores from the samples of each class that are right, found and true, (3, classes).

    accuracy is the share of right answers. precision, recall and f1 are those of the positive (second) class
    where there are two classes, else the mean over all classes that occur. A ratio of 0 to 0 counts as 0.
    """
    right, found, true = counts.double()
    ratios = {
        "precision": _ratio(right, found),
        "recall": _ratio(right, true),
        "f1": _ratio(2 * right, found + true),
    }
    occurs = (found + true) > 0
    result = {"accuracy": float(right.sum() / true.sum())}
    for name, values in ratios.items():
        result[name] = float(values[1] if len(classes) == 2 else values[occurs].mean())
    for name in PER_CLASS:
        for word, value in zip(words(classes), ratios[name].tolist(), strict=True):
            result[f"{name}_class_{word}"] = value
    return result


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    return torch.where(whole > 0, part / whole.clamp(min=1), 0.0)


def words(classes: Sequence[str]) -> list[str]:
    """Class names as parts of metric names. Where two would be the same word, all end in their number."""
    found = [re.sub(r"\W+", "_", label)[:64] for label in classes]
    if len(set(found)) == len(found):
        return found
    return [f"{word}_{number}" for number, word in enumerate(found)]

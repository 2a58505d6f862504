"""What is measured: one file a task, and here what is the same for all of them."""

import math
from collections.abc import Mapping
from typing import Literal, Protocol

import torch

HEADLINE = (
    "loss", "accuracy", "precision", "recall", "f1", "auroc",
    "iou", "dice", "boundary_f1", "map", "map_50", "map_75", "map_box", "mar_100",
)  # fmt: skip
"""Metrics that come first where space is short; those of single classes come last."""
LOWER_IS_BETTER = {"loss"}
"""Custom metrics that say so are added when they are made; see `custom`."""
MOST_NAMES = 64
"""Metric names that leave the pod as series; the files hold all."""


class SplitMetrics(Protocol):
    """What a task measures on one split, exact over all ranks."""

    def reset(self) -> None:
        """Forget everything."""

    def scores(self) -> dict[str, float]:
        """All scores so far, by names without a prefix; every rank must ask at the same point."""
        ...

    def counted(self) -> dict[str, torch.Tensor]:
        """What was counted so far, as sums: those of several ranks may be added. For checkpoints."""
        ...

    def count_from(self, counted: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `counted` gave."""


def mode(monitor: str) -> Literal["min", "max"]:
    """Whether less ("min") or more ("max") of a metric is better."""
    return "min" if monitor.partition("_")[2] in LOWER_IS_BETTER else "max"


def is_better(value: float, best: float | None, monitor: str) -> bool:
    """Whether a value beats the best so far. Any number beats NaN, which a custom metric may give."""
    if best is None:
        return True
    if math.isnan(best):
        return not math.isnan(value)
    return value < best if mode(monitor) == "min" else value > best


def most_telling(metrics: Mapping[str, float], monitor: str, most: int = MOST_NAMES) -> dict[str, float]:
    """At most so many metrics: the monitored one, the headlines of test, val and train, then those of
    classes."""

    def rank(name: str) -> tuple[bool, bool, int, int]:
        split, _, metric = name.partition("_")
        place = HEADLINE.index(metric) if metric in HEADLINE else len(HEADLINE)
        return name != monitor, "_class_" in metric, ("test", "val", "train").index(split), place

    return {name: metrics[name] for name in sorted(metrics, key=rank)[:most]}

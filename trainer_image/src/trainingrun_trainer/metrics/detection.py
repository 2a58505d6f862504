"""Average precision of a detector, and its losses, from what was counted."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeVar

import torch
from torchmetrics.detection import MeanAveragePrecision

from trainingrun_trainer.distributed import objects_of_all_ranks, of_all_ranks
from trainingrun_trainer.metrics.classification import words

T = TypeVar("T")

NAMES = ("map", "map_50", "map_75", "mar_100")
MOST_CLASSES = 32
"""Classes up to which each has scores of its own: they are worked out one class after the other."""
LISTS = (
    "detection_box", "detection_mask", "detection_scores", "detection_labels",
    "groundtruth_box", "groundtruth_mask", "groundtruth_labels", "groundtruth_crowds", "groundtruth_area",
)  # fmt: skip
"""What MeanAveragePrecision keeps, with an entry for each image or none at all."""

Objects = list[dict[str, torch.Tensor]]


class LossMetrics:
    """Mean of the loss of a detector and of each of its parts, weighted by images, exact over all ranks.

    Which parts there are is known with the first batch.
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}

    def reset(self) -> None:
        """Forget everything."""
        self._sums = {}

    def add(self, parts: Mapping[str, torch.Tensor], images: int) -> None:
        """Count a batch: the mean of each part over its images. Nothing is read back from the device."""
        total = torch.stack([part.detach().double() for part in parts.values()]).sum()
        for name, part in {"loss": total, **{_name(name): part for name, part in parts.items()}}.items():
            added = torch.stack([part.detach().double() * images, torch.full_like(total, images)])
            # sums of a checkpoint come on the CPU
            self._sums[name] = self._sums[name].to(added.device) + added if name in self._sums else added

    def counted(self) -> dict[str, torch.Tensor]:
        """For each loss its sum over images, and their number, (2,)."""
        return dict(self._sums)

    def count_from(self, counted: Mapping[str, torch.Tensor]) -> None:
        """Go on from what `counted` gave."""
        self._sums = {name: value.clone() for name, value in counted.items()}

    def scores(self) -> dict[str, float]:
        """loss, and loss_<part> for each part; every rank must ask at the same point."""
        ranks = of_all_ranks(self._sums)
        sums = {name: torch.stack([rank[name] for rank in ranks]).sum(dim=0) for name in ranks[0]}
        return {name: float(value[0] / value[1]) for name, value in sums.items()}


def _name(part: str) -> str:
    """torchvision names a part loss_classifier in one detector and classification in another."""
    return f"loss_{part.removeprefix('loss_')}"


class DetectionMetrics:
    """Average precision of one split as COCO defines it (https://cocodataset.org/#detection-eval): of boxes,
    or with masks of masks, and then map_box of boxes.

    map is the mean over classes and over overlaps (IoU) of 0.50, 0.55, ... 0.95; map_50 and map_75 are at one
    overlap; mar_100 is the mean recall of at most 100 detections an image and class. Crowds count neither for
    nor against. Classes without an object in the split are left out.

    Exact over ranks: the images of all are put in the order that one process would have seen.
    """

    def __init__(self, classes: Sequence[str], *, masks: bool) -> None:
        self.class_names = tuple(classes)
        self._masks = masks
        self._precision = MeanAveragePrecision(
            iou_type=("bbox", "segm") if masks else "bbox",
            class_metrics=len(classes) <= MOST_CLASSES,
            backend="pycocotools",
            sync_on_compute=False,
        )
        self._precision.warn_on_many_detections = False

    def reset(self) -> None:
        """Forget everything."""
        self._precision.reset()

    def add(self, predictions: Objects, targets: Objects) -> None:
        """Count a batch: for each image boxes and labels from 1, of predictions scores, of targets iscrowd,
        and perhaps masks (objects, height, width)."""
        self._precision.update(predictions, targets)

    def counted(self) -> dict[str, torch.Tensor]:
        """Nothing: images of an evaluation are counted from its beginning again."""
        return {}

    def count_from(self, counted: Mapping[str, torch.Tensor]) -> None:
        """Nothing was counted."""

    def scores(self) -> dict[str, float]:
        """All scores so far; every rank must ask at the same point."""
        mine = {name: _on_cpu(getattr(self._precision, name)) for name in LISTS}
        ranks = objects_of_all_ranks(mine)
        for name in LISTS:
            setattr(self._precision, name, list(interleaved([rank[name] for rank in ranks])))
        self._precision._update_count = 1  # private: a rank without images must not be warned of that
        found = self._precision.compute()
        for name, entries in mine.items():
            setattr(self._precision, name, entries)
        prefix = "segm_" if self._masks else ""
        result = {name: _score(found[prefix + name]) for name in NAMES}
        if self._masks:
            result["map_box"] = _score(found["bbox_map"])
        return result | self._of_classes(found, prefix)

    def _of_classes(self, found: Mapping[str, torch.Tensor], prefix: str) -> dict[str, float]:
        if len(self.class_names) > MOST_CLASSES:
            return {}
        result = {}
        for name, key in (("map", f"{prefix}map_per_class"), ("mar_100", f"{prefix}mar_100_per_class")):
            values = dict(
                zip(found["classes"].reshape(-1).tolist(), found[key].reshape(-1).tolist(), strict=True)
            )
            for label, word in enumerate(words(self.class_names), 1):
                if values.get(label, -1.0) >= 0:
                    result[f"{name}_class_{word}"] = values[label]
        return result


def interleaved(ranks: Sequence[Sequence[T]]) -> Iterator[T]:
    """The images of all ranks in their order: `EvaluationBatches` deals them out in turn."""
    missing: Any = object()
    return (entry for entry in chain(*zip_longest(*ranks, fillvalue=missing)) if entry is not missing)


def _on_cpu(entries: list[Any]) -> list[Any]:
    return [entry.cpu() if isinstance(entry, torch.Tensor) else entry for entry in entries]


def _score(value: torch.Tensor) -> float:
    """A score; -1, which says that no image has an object, counts as 0."""
    return max(0.0, float(value))

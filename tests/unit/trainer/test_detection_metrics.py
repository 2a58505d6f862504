"""Average precision by the definition, and the same over any number of ranks."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from trainingrun_trainer.metrics import detection
from trainingrun_trainer.metrics.detection import DetectionMetrics, LossMetrics, Objects, interleaved

SIDE = 48
CLASSES = ("washer", "plate", "bolt")
OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def random_image(random: np.random.Generator) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Detections and objects: most are found, a little off, and some detections are wrong. The third class
    occurs among detections alone."""
    count = int(random.integers(0, 5))
    corner = random.integers(0, SIDE // 2, (count, 2))
    boxes = np.concatenate([corner, corner + random.integers(6, SIDE // 2, (count, 2))], axis=1).astype(
        np.float32
    )
    labels = random.integers(1, 3, count)
    truth: dict[str, np.ndarray[Any, Any]] = {
        "boxes": boxes,
        "labels": labels,
        "iscrowd": (random.random(count) < 0.15).astype(np.int64),
    }
    kept = random.random(count) < 0.8
    wrong = int(random.integers(0, 3))
    extra = random.integers(0, SIDE // 2, (wrong, 2))
    found = np.concatenate([boxes[kept], np.concatenate([extra, extra + 9], axis=1).astype(np.float32)])
    found += random.integers(-3, 4, found.shape)
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 2)
    guess: dict[str, np.ndarray[Any, Any]] = {
        "boxes": found.clip(0, SIDE),
        "labels": np.concatenate([labels[kept], random.integers(1, 4, wrong)]),
        "scores": random.permutation(len(found)).astype(np.float32) / 10 + random.random(),
    }
    tensors = []
    for objects in (guess, truth):
        objects["masks"] = np.zeros((len(objects["boxes"]), SIDE, SIDE), bool)
        for mask, (left, top, right, bottom) in zip(
            objects["masks"], objects["boxes"].astype(int), strict=True
        ):
            mask[top:bottom, left:right] = True
            mask[top, left] = False
        tensors.append({name: torch.from_numpy(np.asarray(values)) for name, values in objects.items()})
    return tensors[0], tensors[1]


@pytest.fixture(scope="module")
def images() -> tuple[Objects, Objects]:
    random = np.random.default_rng(5)
    pairs = [random_image(random) for _ in range(12)]
    return [found for found, _ in pairs], [truth for _, truth in pairs]


def overlaps(found: torch.Tensor, truth: torch.Tensor, crowd: torch.Tensor) -> np.ndarray[Any, Any]:
    """Intersection over union of masks; over the area of the detection where the truth is a crowd."""
    ours, theirs = found.flatten(1).double().numpy(), truth.flatten(1).double().numpy()
    shared = ours @ theirs.T
    area = ours.sum(axis=1)[:, None]
    whole = np.where(crowd.numpy().astype(bool)[None], area, area + theirs.sum(axis=1)[None] - shared)
    return shared / whole  # type: ignore[no-any-return]


def boxed(objects: dict[str, torch.Tensor]) -> torch.Tensor:
    """Boxes as masks: their corners are whole numbers."""
    grid = torch.zeros(len(objects["boxes"]), SIDE, SIDE)
    for mask, (left, top, right, bottom) in zip(grid, objects["boxes"].int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    return grid


def average_precision(
    predictions: Objects, targets: Objects, label: int, overlap: float, *, masks: bool
) -> tuple[float, float] | None:
    """Precision at 101 recalls, averaged, and the greatest recall: COCO's definition, written out."""
    scored: list[tuple[float, bool]] = []
    positives = 0
    for found, truth in zip(predictions, targets, strict=True):
        ours, theirs = found["labels"] == label, truth["labels"] == label
        crowd = truth["iscrowd"][theirs].bool()
        positives += int((~crowd).sum())
        shapes = [
            (objects["masks"] if masks else boxed(objects))[chosen]
            for objects, chosen in ((found, ours), (truth, theirs))
        ]
        iou = overlaps(shapes[0], shapes[1], crowd)
        taken: set[int] = set()
        scores = found["scores"][ours].tolist()
        for index in sorted(range(len(scores)), key=lambda number: -scores[number]):
            free = [
                (iou[index, other], other)
                for other in range(iou.shape[1])
                if not crowd[other] and other not in taken and iou[index, other] >= overlap
            ]
            if free:
                taken.add(max(free)[1])
                scored.append((scores[index], True))
            elif not any(crowd[other] and iou[index, other] >= overlap for other in range(iou.shape[1])):
                scored.append((scores[index], False))
    if positives == 0:
        return None
    hits = np.cumsum([hit for _, hit in sorted(scored, key=lambda pair: -pair[0])])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / positives
    heights = [
        precision[recall >= level].max() if (recall >= level).any() else 0.0 for level in RECALLS - 1e-12
    ]
    return float(np.mean(heights)), float(recall.max() if len(recall) else 0.0)


def expected(predictions: Objects, targets: Objects, *, masks: bool) -> dict[str, float]:
    table: dict[tuple[int, float], tuple[float, float]] = {}
    for label, overlap in product((1, 2, 3), OVERLAPS.tolist()):
        found = average_precision(predictions, targets, label, overlap, masks=masks)
        if found:
            table[label, overlap] = found

    def mean(place: int, labels: tuple[int, ...] = (1, 2, 3), at: float | None = None) -> float:
        return float(
            np.mean(
                [
                    value[place]
                    for (label, overlap), value in table.items()
                    if label in labels and (at is None or abs(overlap - at) < 1e-9)
                ]
            )
        )

    scores = {"map": mean(0), "map_50": mean(0, at=0.5), "map_75": mean(0, at=0.75), "mar_100": mean(1)}
    for label, name in ((1, "washer"), (2, "plate")):
        scores[f"map_class_{name}"] = mean(0, (label,))
        scores[f"mar_100_class_{name}"] = mean(1, (label,))
    return scores


def counted(predictions: Objects, targets: Objects, *, masks: bool) -> dict[str, float]:
    metrics = DetectionMetrics(CLASSES, masks=masks)
    metrics.reset()
    for found, truth in zip(predictions, targets, strict=True):
        metrics.add([found], [truth])
    return metrics.scores()


@pytest.mark.parametrize("masks", [False, True])
def test_scores_are_those_of_the_definition(images: tuple[Objects, Objects], masks: bool) -> None:
    scores = counted(*images, masks=masks)
    wanted = expected(*images, masks=masks)
    assert 0.1 < wanted["map"] < 0.9
    if masks:
        wanted["map_box"] = expected(*images, masks=False)["map"]
    assert scores == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("ranks", [2, 5])
@pytest.mark.parametrize("masks", [False, True])
def test_scores_are_the_same_over_any_number_of_ranks(
    images: tuple[Objects, Objects], monkeypatch: pytest.MonkeyPatch, ranks: int, masks: bool
) -> None:
    whole = counted(*images, masks=masks)
    parts: list[Any] = []

    def keep(mine: Any) -> list[Any]:
        parts.append(mine)
        return [mine]

    monkeypatch.setattr(detection, "objects_of_all_ranks", keep)
    for rank in range(ranks):
        metrics = DetectionMetrics(CLASSES, masks=masks)
        metrics.add(images[0][rank::ranks], images[1][rank::ranks])
        metrics.scores()
    monkeypatch.setattr(detection, "objects_of_all_ranks", lambda mine: parts)
    assert DetectionMetrics(CLASSES, masks=masks).scores() == whole


def test_a_split_without_any_detection_scores_zero(images: tuple[Objects, Objects]) -> None:
    empty = [{name: values[:0] for name, values in found.items()} for found in images[0]]
    assert set(counted(empty, images[1], masks=True).values()) == {0.0}


def test_scores_may_be_asked_for_twice_and_are_forgotten_by_a_reset(images: tuple[Objects, Objects]) -> None:
    metrics = DetectionMetrics(CLASSES, masks=False)
    metrics.add(*images)
    once = metrics.scores()
    assert metrics.scores() == once
    metrics.reset()
    metrics.add(images[0][:6], images[1][:6])
    assert metrics.scores() == counted(images[0][:6], images[1][:6], masks=False)


def test_images_of_ranks_come_back_in_their_order() -> None:
    assert list(interleaved([[0, 3, 6], [1, 4], [2, 5]])) == list(range(7))


def test_losses_are_means_over_images_and_go_on_from_what_was_counted() -> None:
    metrics = LossMetrics()
    metrics.add({"loss_mask": torch.tensor(1.0), "classification": torch.tensor(2.0)}, 3)
    kept = metrics.counted()
    metrics.add({"loss_mask": torch.tensor(5.0), "classification": torch.tensor(0.0)}, 1)
    wanted = {"loss": 3.5, "loss_mask": 2.0, "loss_classification": 1.5}
    assert metrics.scores() == pytest.approx(wanted)
    other = LossMetrics()
    other.count_from(kept)
    other.add({"loss_mask": torch.tensor(5.0), "classification": torch.tensor(0.0)}, 1)
    assert other.scores() == metrics.scores()
    other.reset()
    assert other.counted() == {}


def test_losses_of_a_checkpoint_go_on_where_the_network_is() -> None:
    saved = LossMetrics()
    saved.add({"loss_mask": torch.tensor(1.0)}, 3)
    metrics = LossMetrics()
    metrics.count_from(saved.counted())
    metrics.add({"loss_mask": torch.tensor(1.0, device="meta")}, 3)
    assert {value.device.type for value in metrics.counted().values()} == {"meta"}

"""Scores of masks equal those of NumPy, SciPy, scikit-learn and MONAI, in images and in volumes."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from monai.metrics.meandice import compute_dice
from monai.metrics.meaniou import compute_iou
from scipy import ndimage
from sklearn import metrics as reference

from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.metrics.boundaries import boundary_f1, edges, near
from trainingrun_trainer.metrics.segmentation import SegmentationMetrics

Mask = npt.NDArray[np.bool_]
IMAGE, VOLUME = (24, 20), (9, 8, 10)
SAMPLES = 6


def drawn(
    classes: int, shape: tuple[int, ...], seed: int = 0, *, ignored: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Found and true masks of blobs; the last class is in every second sample only, and the last sample is
    empty in both."""
    random = np.random.default_rng(seed)

    def blobs() -> npt.NDArray[np.int64]:
        noise = random.random((SAMPLES, classes, *shape))
        smooth = np.stack([[ndimage.gaussian_filter(part, 1.5) for part in sample] for sample in noise])
        labels: npt.NDArray[np.int64] = smooth.argmax(axis=1)
        labels[::2][labels[::2] == classes - 1] = 0
        return labels

    true = blobs()
    found = np.where(random.random(true.shape) < 0.7, true, blobs())
    true[-1] = found[-1] = 0
    if ignored:
        true[random.random(true.shape) < 0.1] = IGNORED
    return torch.from_numpy(found), torch.from_numpy(true)


def counted(found: torch.Tensor, true: torch.Tensor, classes: int) -> dict[str, float]:
    metrics = SegmentationMetrics([f"c{number}" for number in range(classes)], boundary_tolerance=2)
    for start in range(0, len(found), 4):
        part = slice(start, start + 4)
        metrics.update(torch.zeros(len(found[part])), found[part], true[part])
    return metrics.scores()


def one_hot(masks: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(masks, classes).movedim(-1, 1).float()


def mean_of_samples(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation over samples of the mean over classes, without what is NaN."""
    samples = [np.nanmean(row) for row in values if not np.isnan(row).all()]
    return float(np.mean(samples)), float(np.std(samples))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("shape", [IMAGE, VOLUME], ids=["image", "volume"])
def test_iou_and_dice_are_means_over_samples_as_those_of_monai(classes: int, shape: tuple[int, ...]) -> None:
    found, true = drawn(classes, shape)
    scores = counted(found, true, classes)
    for name, score in (("iou", compute_iou), ("dice", compute_dice)):
        hot = one_hot(found, classes), one_hot(true, classes)
        values = score(*hot, include_background=True).double().numpy()
        # MONAI: NaN where the truth is empty, but a class that was found in vain scores 0 here
        in_vain = np.isnan(values) & (hot[0].flatten(2).sum(2) > 0).numpy()
        values[in_vain] = 0
        mean, std = mean_of_samples(values[:, 1:])
        assert scores[name] == pytest.approx(mean, abs=1e-6)
        assert scores[f"{name}_std"] == pytest.approx(std, abs=1e-6)
        for number in range(classes):
            assert scores[f"{name}_class_c{number}"] == pytest.approx(np.nanmean(values[:, number]), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("ignored", [False, True])
def test_scores_of_pixels_equal_those_of_scikit_learn(classes: int, ignored: bool) -> None:
    found, true = drawn(classes, IMAGE, ignored=ignored)
    scores = counted(found, true, classes)
    counts = true != IGNORED
    truth, guesses = true[counts].numpy(), found[counts].numpy()
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(truth, guesses), abs=1e-6)
    for name, score in (
        ("precision", reference.precision_score),
        ("recall", reference.recall_score),
        ("f1", reference.f1_score),
    ):
        foreground = list(range(1, classes))
        expected = score(truth, guesses, labels=foreground, average="macro")
        assert scores[name] == pytest.approx(expected, abs=1e-6)
        for number, value in enumerate(score(truth, guesses, average=None)):
            assert scores[f"{name}_class_c{number}"] == pytest.approx(value, abs=1e-6)


def boundary_f1_of_scipy(found: Mask, true: Mask, tolerance: float) -> float:
    def edge(region: Mask) -> Mask:
        eroded: Mask = ndimage.binary_erosion(region)
        return region & ~eroded

    found, true = edge(found), edge(true)
    if not found.any() and not true.any():
        return float("nan")
    if not found.any() or not true.any():
        return 0.0
    precision = (ndimage.distance_transform_edt(~true)[found] <= tolerance).mean()
    recall = (ndimage.distance_transform_edt(~found)[true] <= tolerance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


@pytest.mark.parametrize("shape", [IMAGE, VOLUME], ids=["image", "volume"])
@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 2, 2.5, 7])
def test_boundary_f1_equals_that_by_distance_transforms_of_scipy(
    shape: tuple[int, ...], tolerance: float
) -> None:
    found, true = drawn(3, shape, seed=3)
    for number in (1, 2):
        values = boundary_f1(found == number, true == number, tolerance)
        expected = [
            boundary_f1_of_scipy(one.numpy() == number, other.numpy() == number, tolerance)
            for one, other in zip(found, true, strict=True)
        ]
        assert values.tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_boundary_f1_is_a_mean_over_samples_of_the_classes_of_the_foreground() -> None:
    found, true = drawn(3, IMAGE)
    values = torch.stack([boundary_f1(found == number, true == number, 2) for number in (1, 2)], dim=1)
    scores = counted(found, true, 3)
    assert scores["boundary_f1"] == pytest.approx(mean_of_samples(values.numpy())[0], abs=1e-6)
    assert scores["boundary_f1_class_c2"] == pytest.approx(float(values[:, 1].nanmean()), abs=1e-6)
    assert "boundary_f1_class_c0" not in scores


def test_edges_lie_inside_and_at_the_border_of_the_image() -> None:
    square = torch.zeros(1, 5, 5, dtype=torch.bool)
    square[0, 1:4, 0:3] = True
    assert edges(square)[0].int().tolist() == [
        [0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_near_is_a_disc() -> None:
    point = torch.zeros(1, 5, 5, dtype=torch.bool)
    point[0, 2, 2] = True
    assert near(point, 2)[0].int().tolist() == [
        [0, 0, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 0, 0],
    ]


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        ("nothing", "nothing", {"iou": 0.0, "dice": 0.0, "f1": 0.0, "boundary_f1": 0.0, "accuracy": 1.0}),
        ("all", "all", {"iou": 1.0, "dice": 1.0, "f1": 1.0, "boundary_f1": 1.0, "accuracy": 1.0}),
        ("all", "nothing", {"iou": 0.0, "precision": 0.0, "boundary_f1": 0.0, "accuracy": 0.0}),
        ("nothing", "all", {"iou": 0.0, "recall": 0.0, "boundary_f1": 0.0}),
        ("all", "ignored", {"iou": 0.0, "accuracy": 0.0, "loss": 0.5}),
    ],
)
def test_what_is_empty_has_scores_too(found: str, true: str, expected: dict[str, float]) -> None:
    values = {"nothing": 0, "all": 1, "ignored": IGNORED}
    masks = (torch.full((2, 6, 6), values[name]) for name in (found, true))
    metrics = SegmentationMetrics(["background", "defect"], boundary_tolerance=1)
    metrics.update(torch.full((2,), 0.5), *masks)
    scores = metrics.scores()
    assert {name: scores[name] for name in expected} == expected
    assert all(np.isfinite(value) for value in scores.values())


def test_training_does_without_boundaries() -> None:
    assert not any("boundary" in name for name in SegmentationMetrics(["a", "b"]).counted())


@pytest.mark.parametrize("classes", [2, 3])
def test_counting_goes_on_and_the_counts_of_ranks_add_up(classes: int) -> None:
    names = [f"c{number}" for number in range(classes)]
    found, true = drawn(classes, IMAGE, ignored=True)
    losses = torch.rand(SAMPLES, generator=torch.Generator().manual_seed(1))

    def of(*parts: slice, begun: SegmentationMetrics | None = None) -> SegmentationMetrics:
        metrics = SegmentationMetrics(names, boundary_tolerance=2)
        if begun:
            metrics.count_from(begun.counted())
        for part in parts:
            metrics.update(losses[part], found[part], true[part])
        return metrics

    first, second = slice(0, 2), slice(2, None)
    whole = of(first, second)
    assert whole.scores()["loss"] == pytest.approx(float(losses.mean()))
    assert of(second, begun=of(first)).scores() == whole.scores()

    one, other = of(first).counted(), of(second).counted()
    added = SegmentationMetrics(names, boundary_tolerance=2)
    added.count_from({name: one[name] + other[name] for name in one})
    assert added.scores() == pytest.approx(whole.scores())
    added.reset()
    added.update(losses, found, true)
    assert added.scores() == pytest.approx(whole.scores())

"""Losses of masks equal those of torch, torchvision, segmentation-models-pytorch and MONAI, sample by sample,
in images and in volumes."""

from typing import Any

import pytest
import torch
from monai.losses.focal_loss import FocalLoss as FocalLossOfMonai
from segmentation_models_pytorch.losses import DiceLoss, JaccardLoss
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from trainingrun_api.training import LossConfig
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.losses.segmentation import SegmentationLoss

SHAPES = [(7, 6), (4, 5, 3)]
SAMPLES = 3
NAMES = ["bce-with-logits", "cross-entropy", "dice", "focal", "iou", "combined"]


def loss(name: str, weights: list[float], **options: Any) -> SegmentationLoss:
    return SegmentationLoss(LossConfig.model_validate({"name": name, **options}), weights)


def drawn(
    outputs: int, classes: int, shape: tuple[int, ...], *, ignored: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(7)
    logits = torch.randn((SAMPLES, outputs, *shape), generator=random, dtype=torch.float64).float()
    masks = torch.randint(classes, (SAMPLES, *shape), generator=random)
    if ignored:
        masks[torch.rand(masks.shape, generator=random) < 0.2] = IGNORED
    return logits, masks


def check(found: torch.Tensor, expected: list[torch.Tensor]) -> None:
    assert found.tolist() == pytest.approx([float(value) for value in expected], abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ignored", [False, True])
def test_cross_entropy_is_torchs_times_the_weight_of_the_class(shape: tuple[int, ...], ignored: bool) -> None:
    weights = torch.tensor([0.5, 2.0, 1.0])
    logits, masks = drawn(3, 3, shape, ignored=ignored)
    entropies = functional.cross_entropy(logits, masks, weights, ignore_index=IGNORED, reduction="none")
    counts = masks != IGNORED
    check(
        loss("cross-entropy", weights.tolist())(logits, masks),
        [sample[there].mean() for sample, there in zip(entropies, counts, strict=True)],
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_binary_cross_entropy_is_torchs_and_that_of_two_outputs(shape: tuple[int, ...]) -> None:
    logits, masks = drawn(1, 2, shape, ignored=True)
    weights = [0.5, 3.0]
    expected = []
    for sample, mask in zip(logits[:, 0], masks, strict=True):
        there = mask != IGNORED
        weight = torch.tensor(weights)[mask[there]]
        expected.append(
            functional.binary_cross_entropy_with_logits(sample[there], mask[there].float(), weight)
        )
    check(loss("auto", weights)(logits, masks), expected)
    pair = torch.cat([torch.zeros_like(logits), logits], dim=1)
    check(loss("cross-entropy", weights)(pair, masks), expected)


@pytest.mark.parametrize("name", ["dice", "iou"])
@pytest.mark.parametrize("smooth", [0.0, 1.0])
@pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (3, 3)])
@pytest.mark.parametrize("shape", SHAPES)
def test_overlaps_are_those_of_segmentation_models_pytorch(
    name: str, smooth: float, outputs: int, classes: int, shape: tuple[int, ...]
) -> None:
    logits, masks = drawn(outputs, classes, shape, ignored=True)
    mode = "binary" if outputs == 1 else "multiclass"
    # there both sides of dice are halved, smooth apart
    reference = (
        DiceLoss(mode, smooth=smooth / 2, ignore_index=IGNORED)
        if name == "dice"
        else JaccardLoss(mode, smooth=smooth, ignore_index=IGNORED)
    )
    expected = [reference(logits[n : n + 1].flatten(2), masks[n : n + 1].flatten(1)) for n in range(SAMPLES)]
    check(loss(name, [1.0] * classes, smooth=smooth)(logits, masks), expected)


@pytest.mark.parametrize("name", ["dice", "iou"])
def test_overlaps_of_many_classes_are_a_weighted_mean(name: str) -> None:
    logits, masks = drawn(3, 3, (7, 6))
    alone = torch.stack(
        [loss(name, [float(n == number) for n in range(3)])(logits, masks) for number in range(3)]
    )
    expected = (alone * torch.tensor([1.0, 2.0, 5.0])[:, None]).sum(dim=0) / 8
    check(loss(name, [1.0, 2.0, 5.0])(logits, masks), list(expected))


@pytest.mark.parametrize("name", ["dice", "iou"])
@pytest.mark.parametrize(
    ("logit", "label", "expected"),
    [(-20.0, 0, 0.0), (20.0, 1, 0.0), (20.0, 0, 1 - 1 / 17), (-20.0, 1, 1 - 1 / 17)],
)
def test_the_smooth_term_settles_what_is_empty(name: str, logit: float, label: int, expected: float) -> None:
    logits, masks = torch.full((1, 1, 4, 4), logit), torch.full((1, 4, 4), label)
    assert float(loss(name, [1.0, 1.0])(logits, masks)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_focal_of_one_logit_is_that_of_torchvision(gamma: float, shape: tuple[int, ...]) -> None:
    logits, masks = drawn(1, 2, shape)
    values = sigmoid_focal_loss(logits[:, 0], masks.float(), alpha=0.3, gamma=gamma)
    focal = loss("focal", [1.0, 1.0], focalAlpha=0.3, focalGamma=gamma)
    check(focal(logits, masks), list(values.flatten(1).mean(dim=1)))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_focal_has_a_slope_where_the_network_is_sure(gamma: float, classes: int) -> None:
    focal = loss("focal", [1.0] * classes, focalGamma=gamma)
    logits = torch.full((1, focal.outputs, 2, 2), -200.0)
    logits[:, 0] = 200.0
    logits.requires_grad_()
    for label in range(classes):
        (slope,) = torch.autograd.grad(focal(logits, torch.full((1, 2, 2), label)).sum(), logits)
        assert slope.isfinite().all()


@pytest.mark.parametrize("shape", SHAPES)
def test_focal_of_many_classes_is_that_of_monai(shape: tuple[int, ...]) -> None:
    logits, masks = drawn(3, 3, shape)
    weights = [0.5, 2.0, 1.0]
    reference = FocalLossOfMonai(
        use_softmax=True, to_onehot_y=True, gamma=2.0, weight=weights, reduction="none"
    )
    values = reference(logits, masks.unsqueeze(1)).sum(dim=1)
    check(loss("focal", weights)(logits, masks), list(values.flatten(1).mean(dim=1)))


@pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (3, 3)])
def test_combined_is_the_weighted_sum_of_its_parts(outputs: int, classes: int) -> None:
    logits, masks = drawn(outputs, classes, (7, 6), ignored=True)
    weights = [1.0, 2.0, 3.0][:classes]
    cross_entropy = "bce-with-logits" if outputs == 1 else "cross-entropy"
    plain = [1.0] * classes if outputs == 1 else weights
    parts = (
        0.5 * loss("dice", plain)(logits, masks)
        + 0.3 * loss(cross_entropy, weights)(logits, masks)
        + 0.2 * loss("focal", weights)(logits, masks)
    )
    check(loss("combined", weights)(logits, masks), list(parts))
    only = loss("combined", weights, diceWeight=0, bceWeight=0, focalWeight=2)
    check(only(logits, masks), list(2 * loss("focal", weights)(logits, masks)))


@pytest.mark.parametrize(
    ("name", "classes"), [*((name, 2) for name in NAMES), *((name, 3) for name in NAMES[1:])]
)
def test_losses_are_of_each_sample_and_blind_to_what_is_ignored(name: str, classes: int) -> None:
    compute = loss(name, [1.0] * classes)
    logits, masks = drawn(compute.outputs, classes, (7, 6), ignored=True)
    logits.requires_grad_()
    together = compute(logits, masks)
    assert together.shape == (SAMPLES,)
    alone = torch.cat([compute(logits[n : n + 1], masks[n : n + 1]) for n in range(SAMPLES)])
    torch.testing.assert_close(together, alone)

    (gradient,) = torch.autograd.grad(together.sum(), logits)
    ignored = (masks == IGNORED).unsqueeze(1).expand_as(gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].all()


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_that_is_ignored_as_a_whole_has_a_finite_loss_without_gradient(name: str) -> None:
    compute = loss(name, [1.0, 1.0], smooth=0.0)
    logits = torch.randn((1, compute.outputs, 4, 4), generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    value = compute(logits, torch.full((1, 4, 4), IGNORED))
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_logits_in_half_precision_are_measured_in_single(name: str) -> None:
    compute = loss(name, [1.0, 1.0])
    logits, masks = drawn(compute.outputs, 2, (7, 6))
    half = (100 * logits).bfloat16()
    assert compute(half, masks).dtype == torch.float32
    assert torch.equal(compute(half, masks), compute(half.float(), masks))
    assert compute(half, masks).isfinite().all()


@pytest.mark.parametrize(("name", "classes"), [("auto", 2), ("cross-entropy", 2), ("dice", 3)])
def test_classes_are_the_most_probable_ones(name: str, classes: int) -> None:
    compute = loss(name, [1.0] * classes)
    logits, masks = drawn(compute.outputs, classes, (7, 6))
    probabilities = compute.probabilities(logits)
    assert probabilities.shape == (SAMPLES, classes, 7, 6)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(masks.shape))
    assert torch.equal(compute.classes(logits), probabilities.argmax(dim=1))


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(BadConfig, match="bce-with-logits, but the data have 3 classes"):
        loss("bce-with-logits", [1.0] * 3)
    with pytest.raises(BadConfig, match=r"loss\.name dice .* class weights would change nothing"):
        loss("dice", [1.0, 2.0])

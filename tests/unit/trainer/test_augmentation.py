"""A sample's random change depends on (seed, epoch, index) alone, and masks and boxes follow their image."""

import colorsys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.ops import masks_to_boxes
from torchvision.transforms.v2 import functional

from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data.augmentation import _blur, _hue_saturation_value, augment, augment_sample
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.data.sampler import generator

IMAGES = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
KEYS = [(1, index) for index in range(8)]
EVERYTHING = AugmentationConfig(
    horizontal_flip=0.5, vertical_flip=0.5, rotate90=0.5, probability=0.7, rotate_degrees=45,
    shift=0.1, scale=0.1, brightness=0.2, contrast=0.2, hue_degrees=10, saturation=20, value=20,
    noise_variance=20, blur=3,
)  # fmt: skip
GEOMETRY = EVERYTHING.model_copy(
    update=dict.fromkeys(
        ("brightness", "contrast", "hue_degrees", "saturation", "value", "noise_variance", "blur"), 0
    )
)

configs = st.builds(
    AugmentationConfig,
    horizontal_flip=st.floats(0, 1), vertical_flip=st.floats(0, 1), rotate90=st.floats(0, 1),
    probability=st.floats(0, 1), rotate_degrees=st.floats(0, 180), shift=st.floats(0, 0.99),
    scale=st.floats(0, 0.99), brightness=st.floats(0, 1), contrast=st.floats(0, 1),
    hue_degrees=st.floats(0, 180), saturation=st.floats(0, 255), value=st.floats(0, 255),
    noise_variance=st.floats(0, 65025), blur=st.integers(0, 31),
)  # fmt: skip
sides = st.integers(8, 24)
seeds = st.integers(0, 2**32 - 1)


def image(height: int, width: int, channels: int, seed: int) -> tv_tensors.Image:
    random = torch.Generator().manual_seed(seed)
    return tv_tensors.Image(
        torch.randint(0, 256, (channels, height, width), dtype=torch.uint8, generator=random)
    )


@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(horizontal_flip=0.5),
        AugmentationConfig(vertical_flip=0.5),
        AugmentationConfig(rotate90=0.5),
        AugmentationConfig(rotate_degrees=20),
        AugmentationConfig(shift=0.2),
        AugmentationConfig(scale=0.2),
        AugmentationConfig(brightness=0.2),
        AugmentationConfig(contrast=0.2),
        AugmentationConfig(hue_degrees=30),
        AugmentationConfig(saturation=30),
        AugmentationConfig(value=30),
        AugmentationConfig(noise_variance=20),
        AugmentationConfig(blur=3, probability=0.5),
        EVERYTHING,
    ],
    ids=lambda config: ",".join(name for name, value in config if value and name != "probability"),
)
def test_changes_come_again_and_differ_between_epochs(config: AugmentationConfig) -> None:
    changed = augment(IMAGES, KEYS, config, seed=42)
    assert changed.shape == IMAGES.shape
    assert changed.dtype == torch.uint8
    assert not torch.equal(changed, IMAGES)
    assert torch.equal(augment(IMAGES[3:5], KEYS[3:5], config, seed=42), changed[3:5])
    assert not torch.equal(augment(IMAGES, [(2, index) for _, index in KEYS], config, seed=42), changed)
    assert not torch.equal(augment(IMAGES, KEYS, config, seed=43), changed)


@pytest.mark.parametrize("probability", [0, 1])
def test_no_augmentation_changes_nothing(probability: float) -> None:
    assert augment(IMAGES, KEYS, AugmentationConfig(probability=probability), seed=42) is IMAGES


def test_with_probability_0_only_flips_and_quarter_turns_are_left() -> None:
    config = EVERYTHING.model_copy(
        update={"probability": 0, "horizontal_flip": 0, "vertical_flip": 0, "rotate90": 0}
    )
    assert torch.equal(augment(IMAGES, KEYS, config, seed=42), IMAGES)


def test_a_certain_flip_is_a_mirror_image() -> None:
    assert torch.equal(augment(IMAGES, KEYS, AugmentationConfig(horizontal_flip=1), seed=42), IMAGES.flip(-1))
    assert torch.equal(augment(IMAGES, KEYS, AugmentationConfig(vertical_flip=1), seed=42), IMAGES.flip(-2))


def test_all_three_quarter_turns_occur() -> None:
    turned = augment(
        IMAGES[:1].repeat(64, 1, 1, 1), [(0, i) for i in range(64)], AugmentationConfig(rotate90=1), 1
    )
    turns = [
        {quarters for quarters in range(4) if torch.equal(one, IMAGES[0].rot90(quarters, (1, 2)))}
        for one in turned
    ]
    assert {quarters for found in turns for quarters in found} == {1, 2, 3}


@pytest.mark.parametrize("seed", range(12))
def test_a_mask_goes_where_its_image_goes(seed: int) -> None:
    drawn = torch.zeros(64, 64, dtype=torch.uint8)
    drawn[10:40, 20:55] = 1
    picture = tv_tensors.Image(200 * drawn.expand(3, -1, -1))
    config = GEOMETRY.model_copy(update={"probability": 1})
    moved, targets = augment_sample(picture, {"mask": tv_tensors.Mask(drawn)}, config, generator(seed))
    mask = targets["mask"]
    seen, told = moved[0] > 100, mask == 1
    assert (seen & told).sum() / (seen | told).sum() > 0.95
    assert moved[:, mask == IGNORED].float().mean().nan_to_num() < 20


@settings(max_examples=80, deadline=None)
@given(configs, sides, sides, st.sampled_from([1, 3]), seeds)
def test_masks_keep_their_labels_and_samples_come_again(
    config: AugmentationConfig, height: int, width: int, channels: int, seed: int
) -> None:
    picture = image(height, width, channels, seed)
    labels = tv_tensors.Mask(image(height, width, 1, seed + 1)[0] % 3 * 7)
    changed, targets = augment_sample(picture, {"mask": labels, "name": "a"}, config, generator(seed))
    again, targets_again = augment_sample(picture, {"mask": labels, "name": "a"}, config, generator(seed))
    assert changed.dtype == targets["mask"].dtype == torch.uint8
    assert sorted(changed.shape[1:]) == sorted((height, width))
    assert targets["mask"].shape == changed.shape[1:]
    assert set(targets["mask"].unique().tolist()) <= {0, 7, 14, IGNORED}
    assert targets["name"] == "a"
    assert torch.equal(changed, again)
    assert torch.equal(targets["mask"], targets_again["mask"])


@settings(max_examples=80, deadline=None)
@given(configs, sides, sides, st.integers(0, 4), st.booleans(), seeds)
def test_boxes_stay_valid_and_rows_stay_together(
    config: AugmentationConfig, height: int, width: int, count: int, with_masks: bool, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 4, generator=random)
    start = (corners[:, :2] * (torch.tensor([width, height]) - 3)).floor()
    boxes = torch.cat([start, start + 2 + (corners[:, 2:] * 2).floor().clamp(max=1)], dim=1)
    masks = torch.zeros(count, height, width, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = 1
    targets = {
        "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width)),
        "labels": torch.arange(count) + 1,
        **({"masks": tv_tensors.Mask(masks)} if with_masks else {}),
    }
    changed, moved = augment_sample(image(height, width, 3, seed), targets, config, generator(seed))
    height, width = changed.shape[1:]
    x1, y1, x2, y2 = moved["boxes"].unbind(dim=1)
    assert ((x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height)).all()
    assert ((x2 - x1 >= 1) & (y2 - y1 >= 1)).all()
    assert len(moved["labels"]) == len(moved["boxes"]) <= count
    assert len(set(moved["labels"].tolist())) == len(moved["labels"])
    if with_masks:
        assert moved["masks"].shape == (len(moved["boxes"]), height, width)
        assert set(moved["masks"].unique().tolist()) <= {0, 1}
        if len(moved["boxes"]):
            tight = masks_to_boxes(moved["masks"]) + torch.tensor([0, 0, 1, 1])
            torch.testing.assert_close(moved["boxes"].as_subclass(torch.Tensor), tight, atol=1e-3, rtol=0)


@pytest.mark.parametrize("side", [3, 5, 15, 31])
def test_the_blur_is_that_of_torchvision(side: int) -> None:
    picture = image(40, 56, 3, seed=side)
    expected = functional.gaussian_blur(picture, [side, side])
    assert (_blur(picture, side).int() - expected.int()).abs().max() <= 1


def test_the_hue_is_that_of_torchvision() -> None:
    picture = image(16, 16, 3, seed=1)
    for degrees in (-170.0, -10.0, 35.0, 120.0):
        expected = functional.adjust_hue(picture, degrees / 360)
        assert (_hue_saturation_value(picture, degrees, 0, 0).int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("rgb", [(200, 100, 50), (10, 200, 30), (90, 90, 90), (0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("knob", ["saturation", "value", "hue_degrees"])
def test_colours_move_as_hsv_says(rgb: tuple[int, int, int], knob: str) -> None:
    picture = tv_tensors.Image(
        torch.tensor(rgb, dtype=torch.uint8).view(3, 1, 1).expand(3, 8, 8).contiguous()
    )
    before = colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb))
    largest = 40.0
    for seed in range(4):
        changed, _ = augment_sample(picture, {}, AugmentationConfig(**{knob: largest}), generator(seed))
        after = colorsys.rgb_to_hsv(*(changed[:, 0, 0] / 255).tolist())
        hue, saturation, value = (new - old for new, old in zip(after, before, strict=True))
        if knob == "hue_degrees":
            assert abs((hue + 0.5) % 1 - 0.5) <= largest / 360 + 0.01
            assert abs(saturation) <= 0.02
            assert abs(value) <= 0.01
        elif knob == "saturation":
            assert abs(saturation) <= largest / 255 + 0.02
            assert abs(value) <= 0.01
        else:
            assert abs(value) <= largest / 255 + 0.01
    if knob == "saturation" and len(set(rgb)) == 1:
        assert torch.equal(changed, picture)

"""An image's random change depends on (seed, epoch, index) alone."""

import pytest
import torch

from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data.augmentation import augment

IMAGES = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
KEYS = [(1, index) for index in range(8)]


@pytest.mark.parametrize(
    "config",
    [AugmentationConfig(horizontal_flip=0.5), AugmentationConfig(rotate_degrees=20)],
    ids=["flip", "rotation"],
)
def test_changes_come_again_and_differ_between_epochs(config: AugmentationConfig) -> None:
    changed = augment(IMAGES, KEYS, config, seed=42)
    assert changed.shape == IMAGES.shape
    assert not torch.equal(changed, IMAGES)
    assert torch.equal(augment(IMAGES[3:5], KEYS[3:5], config, seed=42), changed[3:5])
    assert not torch.equal(augment(IMAGES, [(2, index) for _, index in KEYS], config, seed=42), changed)
    assert not torch.equal(augment(IMAGES, KEYS, config, seed=43), changed)


def test_no_augmentation_changes_nothing() -> None:
    assert augment(IMAGES, KEYS, AugmentationConfig(), seed=42) is IMAGES


def test_a_certain_flip_is_a_mirror_image() -> None:
    assert torch.equal(augment(IMAGES, KEYS, AugmentationConfig(horizontal_flip=1), seed=42), IMAGES.flip(-1))

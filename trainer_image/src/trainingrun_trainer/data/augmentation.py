"""Random changes of training images, each a function of (seed, epoch, index)."""

import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data.sampler import Key, generator


def augment(images: torch.Tensor, keys: list[Key], config: AugmentationConfig, seed: int) -> torch.Tensor:
    """Change uint8 images, (batch, channels, height, width), each by the random numbers of its key."""
    if config == AugmentationConfig(horizontal_flip=0, rotate_degrees=0):
        return images
    return torch.stack(
        [_augment_one(image, config, generator(seed, *key)) for image, key in zip(images, keys, strict=True)]
    )


def _augment_one(image: torch.Tensor, config: AugmentationConfig, random: torch.Generator) -> torch.Tensor:
    flip, turn = torch.rand(2, generator=random, dtype=torch.float64).tolist()
    if flip < config.horizontal_flip:
        image = functional.horizontal_flip(image)
    if config.rotate_degrees:
        angle = (2 * turn - 1) * config.rotate_degrees
        image = functional.rotate(image, angle, interpolation=InterpolationMode.BILINEAR)
    return image

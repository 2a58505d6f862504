"""Random changes of training samples, each a function of (seed, epoch, index).

Geometry moves an image together with its masks (by nearest neighbour) and boxes; colours, noise and blur
change the image alone. The changes and their usual strengths are those of Albumentations' ShiftScaleRotate,
RandomBrightnessContrast, HueSaturationValue, GaussNoise and GaussianBlur, carried out by torchvision.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import torch
from torchvision import tv_tensors
from torchvision.ops import masks_to_boxes
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.data.sampler import Key, generator

Targets = dict[str, Any]
T = TypeVar("T", bound=torch.Tensor)

BOXES, MASKS = "boxes", "masks"
MIN_BOX = 1.0
"""Sides in pixels below which a box is dropped."""


def augment(images: torch.Tensor, keys: list[Key], config: AugmentationConfig, seed: int) -> torch.Tensor:
    """Change uint8 images, (batch, channels, height, width), each by the random numbers of its key."""
    if not changes(config):
        return images
    return torch.stack(
        [
            augment_sample(tv_tensors.Image(image), {}, config, generator(seed, *key))[0].as_subclass(
                torch.Tensor
            )
            for image, key in zip(images, keys, strict=True)
        ]
    )


def changes(config: AugmentationConfig) -> bool:
    """Whether the config changes anything."""
    return any(value for name, value in config if name != "probability")


def augment_sample(
    image: tv_tensors.Image, targets: Mapping[str, Any], config: AugmentationConfig, random: torch.Generator
) -> tuple[tv_tensors.Image, Targets]:
    """Change an image and what is known of it alike.

    Args:
        image: (channels, height, width) of uint8, 1 or 3 channels.
        targets: a `Mask` of classes, (height, width), under any name; or `boxes` as `BoundingBoxes` in XYXY
            and, with one row a box, `masks` as `Mask`, (boxes, height, width) of 0 and 1, and plain tensors
            such as labels. Other tensors and values pass through.
        config: which changes, how likely and how strong.
        random: where all random numbers come from; always the same count before the noise, so that one knob
            does not change what another one does.

    Returns:
        The image, of the same size (turned by a quarter where it is not square), and targets of the same
        names. Boxes lie within the image; those below a pixel, or whose mask is gone, are dropped with their
        rows. With instance masks, boxes are drawn anew around them after rotation, shift and scale.
    """
    draws: Iterator[float] = iter(torch.rand(20, generator=random, dtype=torch.float64).tolist())

    def happens(probability: float) -> bool:
        return next(draws) < probability

    def between(largest: float) -> float:
        return (2 * next(draws) - 1) * largest

    if happens(config.horizontal_flip):
        image, targets = functional.horizontal_flip(image), _each(targets, functional.horizontal_flip)
    if happens(config.vertical_flip):
        image, targets = functional.vertical_flip(image), _each(targets, functional.vertical_flip)
    quarters = 1 + int(3 * next(draws))
    if happens(config.rotate90):
        image, targets = _quarter_turns(image, quarters), _each(targets, _quarter_turns, quarters)

    moved = happens(config.probability)
    height, width = image.shape[-2:]
    geometry = {
        "angle": between(config.rotate_degrees),
        "translate": [between(config.shift) * width, between(config.shift) * height],
        "scale": 1 + between(config.scale),
        "shear": [0.0, 0.0],
    }
    if moved and (config.rotate_degrees or config.shift or config.scale):
        image = functional.affine(image, **geometry, interpolation=InterpolationMode.BILINEAR)
        # what comes in from outside is black, and in a mask of classes of no class
        targets = _within(_each(targets, _affine, geometry, 0 if BOXES in targets else IGNORED))

    lit = happens(config.probability)
    brightness, contrast = between(config.brightness), between(config.contrast)
    if lit and (config.brightness or config.contrast):
        image = _brightness_contrast(image, brightness, 1 + contrast)
    coloured, hue = happens(config.probability), between(config.hue_degrees)
    saturation, value = between(config.saturation), between(config.value)
    if coloured and (config.hue_degrees or config.saturation or config.value):
        image = _hue_saturation_value(image, hue, saturation, value)
    noisy, variance = happens(config.probability), next(draws) * config.noise_variance
    if noisy and config.noise_variance:
        noise = torch.randn(image.shape, generator=random) * variance**0.5
        image = _pixels(image + noise, image)
    blurred, side = happens(config.probability), 3 + 2 * int(next(draws) * ((config.blur - 1) // 2))
    if blurred and config.blur >= 3:
        # the border is mirrored, which needs an image of more than half the kernel
        image = _blur(image, min(side, 2 * min(height, width) - 1))
    return image, dict(targets)


def _each(targets: Mapping[str, Any], change: Any, *arguments: Any) -> Targets:
    """Targets with a change of those that have a place in the image."""
    placed = (tv_tensors.Mask, tv_tensors.BoundingBoxes)
    return {
        name: change(target, *arguments) if isinstance(target, placed) else target
        for name, target in targets.items()
    }


def _quarter_turns(target: T, quarters: int) -> T:
    turned: T = functional.rotate(target, 90 * quarters, expand=True)
    return turned


def _affine(target: T, geometry: Mapping[str, Any], fill: int) -> T:
    if target.numel() == 0:
        return target
    moved: T = functional.affine(target, **geometry, fill=fill)
    return moved


def _within(targets: Targets) -> Targets:
    """Targets without the boxes that left the image."""
    if BOXES not in targets:
        return targets
    boxes = targets[BOXES]
    kept = torch.arange(len(boxes))
    if MASKS in targets:
        kept = kept[(targets[MASKS] > 0).flatten(1).any(dim=1)]
        tight = masks_to_boxes(targets[MASKS][kept]) + torch.tensor([0, 0, 1, 1])
        boxes = tv_tensors.wrap(tight.to(boxes.dtype), like=boxes)
    boxes, valid = functional.sanitize_bounding_boxes(
        functional.clamp_bounding_boxes(boxes), min_size=MIN_BOX, min_area=MIN_BOX
    )
    kept = kept[valid]
    rows = len(targets[BOXES])
    return {name: boxes if name == BOXES else _rows(target, rows, kept) for name, target in targets.items()}


def _rows(target: Any, rows: int, kept: torch.Tensor) -> Any:
    if not isinstance(target, torch.Tensor) or target.ndim == 0 or len(target) != rows:
        return target
    return (
        tv_tensors.wrap(target[kept], like=target)
        if isinstance(target, tv_tensors.TVTensor)
        else target[kept]
    )


def _brightness_contrast(image: tv_tensors.Image, brightness: float, contrast: float) -> tv_tensors.Image:
    """Contrast against the mean grey, as a factor, then brightness as a share of white."""
    image = functional.adjust_contrast(image, contrast)
    return _pixels(image + 255 * brightness, image)


def _hue_saturation_value(
    image: tv_tensors.Image, hue: float, saturation: float, value: float
) -> tv_tensors.Image:
    """A change of hue in degrees, and of saturation and value by so many 255ths. Grey stays grey.

    torchvision changes hue alone and takes five times as long. Source of the way back from HSV:
    https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative
    """
    pixels = image.as_subclass(torch.Tensor).float()
    bright, dark = pixels.amax(dim=0), pixels.amin(dim=0)
    span = (bright - dark).clamp(min=1)
    saturated = (bright - dark) / bright.clamp(min=1)
    wanted = torch.where(saturated > 0, (saturated + saturation / 255).clamp(0, 1), 0.0)
    lighter = (bright + value).clamp(0, 255)
    if len(pixels) == 1:
        return _pixels(lighter[None], image)
    red, green, blue = pixels
    sixths = torch.where(
        bright == red,
        (green - blue) / span,
        torch.where(bright == green, 2 + (blue - red) / span, 4 + (red - green) / span),
    )
    turn = torch.tensor([5.0, 3.0, 1.0]).view(3, 1, 1) + hue / 60
    place = torch.remainder(sixths + turn, 6)
    dip = torch.minimum(place, 4 - place).clamp(0, 1)
    return _pixels(lighter * (1 - wanted * dip), image)


def _blur(image: tv_tensors.Image, side: int) -> tv_tensors.Image:
    """A Gaussian blur with a kernel of so many pixels, and the standard deviation that torchvision and OpenCV
    give it. Rows, then columns: torchvision's one pass takes several times as long."""
    half = side // 2
    deviation = 0.15 * side + 0.35
    kernel = torch.exp(-0.5 * (torch.arange(-half, half + 1) / deviation) ** 2)
    weights = (kernel / kernel.sum()).tolist()
    pixels = image.as_subclass(torch.Tensor).float()
    height, width = pixels.shape[-2:]
    pixels = torch.nn.functional.pad(pixels, [half] * 4, mode="reflect")
    pixels = sum(weight * pixels[..., first : first + width] for first, weight in enumerate(weights))
    pixels = sum(weight * pixels[:, first : first + height] for first, weight in enumerate(weights))
    return _pixels(pixels, image)


def _pixels(values: torch.Tensor, like: tv_tensors.Image) -> tv_tensors.Image:
    values = values.as_subclass(torch.Tensor).round().clamp(0, 255).to(torch.uint8)
    image: tv_tensors.Image = tv_tensors.wrap(values, like=like)
    return image

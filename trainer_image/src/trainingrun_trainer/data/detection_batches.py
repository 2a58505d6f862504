"""Pictures with objects in them, as batches that train: boxes, and for instance segmentation their masks.

`detection` prepares them once. A picture has its longer side at data.imageSize and its shape as it was;
torchvision pads a batch itself. Masks are kept as run-length encodings and drawn for each batch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import tv_tensors

from trainingrun_api import TrainingConfig
from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data import images
from trainingrun_trainer.data.augmentation import augment_sample, changes
from trainingrun_trainer.data.images import Pixels
from trainingrun_trainer.data.instances import decode
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.data.ragged import Ragged
from trainingrun_trainer.data.sampler import Key, generator
from trainingrun_trainer.data.splits import Indices

OBJECT = np.dtype([("box", "<f4", 4), ("label", "<i8"), ("crowd", "?")])

Target = dict[str, torch.Tensor]


class DetectionBatch(NamedTuple):
    """Pictures, each (channels, height, width) of uint8, and what is in them.

    A target has boxes (objects, 4) of left, top, right, bottom in pixels as float32; labels (objects,) from 1
    as int64, for 0 is the background; iscrowd (objects,) of 0 and 1 as int64; with masks also masks
    (objects, height, width) of 0 and 1 as uint8.
    """

    images: list[torch.Tensor]
    targets: list[Target]


@dataclass(frozen=True)
class DetectedImages(PreparedData):
    """A checked data set of pictures and the objects in them."""

    paths: tuple[Path, ...]
    channels: int
    sizes: Indices
    """Width and height that each picture is brought to, (pictures, 2)."""
    pixels: Ragged | None
    """Decoded pictures; None where they do not fit."""
    objects: Ragged
    """The objects of each picture as OBJECT."""
    masks: Ragged | None
    """For each object of `objects`, in order, the run-length encoding of its mask."""

    def image(self, index: int) -> torch.Tensor:
        """One picture, (channels, height, width) of uint8."""
        width, height = self.sizes[index].tolist()
        if self.pixels is None:
            picture = images.picture(self.paths[index].read_bytes(), self.channels)
            return torch.from_numpy(resized(picture, (width, height)))
        return torch.from_numpy(self.pixels[index].reshape(self.channels, height, width))

    def target(self, index: int) -> Target:
        """The objects of one picture, see `DetectionBatch`."""
        objects = self.objects[index]
        target = {
            "boxes": torch.from_numpy(objects["box"].copy()),
            "labels": torch.from_numpy(objects["label"] + 1),
            "iscrowd": torch.from_numpy(objects["crowd"].astype(np.int64)),
        }
        if self.masks is not None:
            width, height = self.sizes[index].tolist()
            first = int(self.objects.offsets[index])
            drawn = [
                decode(self.masks[first + number].tobytes(), (width, height))
                for number in range(len(objects))
            ]
            target["masks"] = torch.from_numpy(
                np.stack(drawn) if drawn else np.zeros((0, height, width), np.uint8)
            )
        return target

    def batches(self, config: TrainingConfig, *, augmented: bool) -> "DetectionDataset":
        return DetectionDataset(self, config.augmentation if augmented else None, config.seed)


@dataclass(frozen=True)
class DetectionDataset(Dataset[DetectionBatch]):
    """Whole batches of pictures by their keys. Those for training have no crowds, which no loss can count."""

    data: DetectedImages
    augmentation: AugmentationConfig | None
    seed: int

    def __getitem__(self, key: Key) -> DetectionBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> DetectionBatch:
        samples = [self._sample(key) for key in keys]
        return DetectionBatch([image for image, _ in samples], [target for _, target in samples])

    def _sample(self, key: Key) -> tuple[torch.Tensor, Target]:
        image, target = self.data.image(key[1]), self.data.target(key[1])
        if self.augmentation is None:
            return image, target
        single = target["iscrowd"] == 0
        target = {name: values[single] for name, values in target.items()}
        if not changes(self.augmentation):
            return image, target
        placed: dict[str, Any] = target | {
            "boxes": tv_tensors.BoundingBoxes(
                target["boxes"],
                format=tv_tensors.BoundingBoxFormat.XYXY,
                canvas_size=(image.shape[1], image.shape[2]),
            )
        }
        if "masks" in target:
            placed["masks"] = tv_tensors.Mask(target["masks"])
        changed, placed = augment_sample(
            tv_tensors.Image(image), placed, self.augmentation, generator(self.seed, *key)
        )
        return changed.as_subclass(torch.Tensor), {
            name: values.as_subclass(torch.Tensor) for name, values in placed.items()
        }


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height with the longer side at a length."""
    factor = longest / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def resized(picture: Image.Image, size: tuple[int, int]) -> Pixels:
    """A picture of mode L or RGB as (channels, height, width)."""
    pixels = np.asarray(picture.resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(np.moveaxis(pixels, -1, 0))

"""Volumes with a mask each, as batches: training sees a random patch of each volume of the split in each
epoch, evaluation whole volumes. `volumes` prepares them once.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from trainingrun_api import TrainingConfig
from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data import patches
from trainingrun_trainer.data.labels import IGNORED
from trainingrun_trainer.data.patches import Sides
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.data.sampler import Key, generator
from trainingrun_trainer.data.segmentation import SegmentationBatch
from trainingrun_trainer.data.splits import Indices
from trainingrun_trainer.errors import BadConfig


@dataclass(frozen=True)
class SegmentedVolumes(PreparedData):
    """A checked data set of volumes and their masks."""

    label_values: tuple[int, ...]
    """Label of each class in the mask files."""
    images: tuple[Path, ...]
    """npy of float16 in [0, 1], (depth, height, width), one a volume."""
    masks: tuple[Path, ...]
    """npy of labels, (depth, height, width), one a volume."""
    foreground: Path
    """npy of `patches.Places` of all volumes, (volumes, classes - 1, PLACES)."""
    table: npt.NDArray[np.uint8]
    """Class index of each label."""
    voxels: Indices
    """Voxels of each class in each volume, (volumes, classes)."""

    def pixel_counts(self, split: str) -> list[int]:
        """Voxels of each class in a split."""
        counts: list[int] = self.voxels[self.splits[split]].sum(axis=0).tolist()
        return counts

    def evaluation_batch_size(self, config: TrainingConfig) -> int:
        """1: whole volumes differ in shape."""
        return 1

    def batches(self, config: TrainingConfig, *, augmented: bool) -> "Patches | WholeVolumes":
        if augmented:
            return Patches(self, patch_size(config), config.augmentation, config.seed)
        return WholeVolumes(self)


def patch_size(config: TrainingConfig) -> Sides:
    """Depth, height and width of training patches.

    Raises:
        BadConfig: there is none.
    """
    if config.data.patch_size is None:
        raise BadConfig("data.patchSize is missing", "Set it to depth, height and width in voxels.")
    depth, height, width = config.data.patch_size
    return depth, height, width


@dataclass(frozen=True)
class Patches(Dataset[SegmentationBatch]):
    """Random patches by their keys: images (batch, 1, depth, height, width) float32 in [0, 1], masks (batch,
    depth, height, width) int64. Beyond a small volume images are 0 and masks IGNORED."""

    data: SegmentedVolumes
    patch: Sides
    augmentation: AugmentationConfig
    seed: int

    def __getitem__(self, key: Key) -> SegmentationBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> SegmentationBatch:
        images = np.zeros((len(keys), 1, *self.patch), dtype=np.float32)
        masks = np.full((len(keys), *self.patch), IGNORED, dtype=np.int64)
        foreground = np.load(self.data.foreground, mmap_mode="r")
        for (epoch, index), (image,), mask in zip(keys, images, masks, strict=True):
            random = generator(self.seed, epoch, index)
            volume = np.load(self.data.images[index], mmap_mode="r")
            labels = np.load(self.data.masks[index], mmap_mode="r")
            first = patches.start(volume.shape, self.patch, foreground[index], random)
            there, here = patches.window(volume.shape, first, self.patch)
            image[here] = volume[there]
            mask[here] = self.data.table[labels[there]]
            image[:], mask[:] = patches.mirror((image, mask), self.augmentation, random)
        return SegmentationBatch(torch.from_numpy(images), torch.from_numpy(masks))


@dataclass(frozen=True)
class WholeVolumes(Dataset[SegmentationBatch]):
    """Whole volumes, one a batch: image (1, 1, depth, height, width) float32 in [0, 1], mask (1, depth,
    height, width) int64."""

    data: SegmentedVolumes

    def __getitem__(self, key: Key) -> SegmentationBatch:
        _, index = key
        image = np.load(self.data.images[index]).astype(np.float32)
        mask = self.data.table[np.load(self.data.masks[index])].astype(np.int64)
        return SegmentationBatch(torch.from_numpy(image)[None, None], torch.from_numpy(mask)[None])

    def __getitems__(self, keys: list[Key]) -> SegmentationBatch:
        (key,) = keys
        return self[key]

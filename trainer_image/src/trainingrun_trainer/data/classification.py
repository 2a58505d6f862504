"""Images with one class each, by metadata.csv or dataset.json, all decoded and checked before training."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch.utils.data import Dataset

from trainingrun_api import TrainingConfig
from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data import dataset_json, images, metadata, table
from trainingrun_trainer.data.augmentation import augment
from trainingrun_trainer.data.folder import find_all
from trainingrun_trainer.data.images import Images, Shape
from trainingrun_trainer.data.prepared import PreparedData, directory, reading
from trainingrun_trainer.data.sampler import Key
from trainingrun_trainer.data.splits import Indices
from trainingrun_trainer.logs import LOGGER

LISTED = 20
"""Classes whose images are counted in the log."""


class Batch(NamedTuple):
    """Images as (batch, channels, size, size) uint8 and classes as (batch,) int64."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class ClassifiedImages(PreparedData):
    """A checked data set of images and their classes. Of two classes the second is the positive one."""

    labels: Indices
    """Class of each image, as an index into classes."""
    images: Images

    def counts(self, split: str) -> list[int]:
        """Images of each class in a split."""
        return metadata.counts(self.labels[self.splits[split]], len(self.classes))

    def batches(self, config: TrainingConfig, *, augmented: bool) -> "ImageDataset":
        return ImageDataset(self, config.augmentation if augmented else None, config.seed)


@dataclass(frozen=True)
class ImageDataset(Dataset[Batch]):
    """Whole batches of images by their keys."""

    data: ClassifiedImages
    augmentation: AugmentationConfig | None
    seed: int

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        indices = [index for _, index in keys]
        pixels = torch.from_numpy(self.data.images.take(indices))
        if self.augmentation is not None:
            pixels = augment(pixels, keys, self.augmentation, self.seed)
        return Batch(pixels, torch.from_numpy(self.data.labels[indices]))


def prepare(
    config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None] = lambda: None
) -> ClassifiedImages:
    """Prepare the data in an empty scratch directory.

    Args:
        config: where the data are, what they should become, and the seed of the split.
        scratch: directory for unpacked and decoded images.
        threads: how many decode images.
        beat: called for each member that is unpacked and each image that is decoded.

    Raises:
        BadData: the data cannot be trained on; names file, row or member, and the remedy.
        BadConfig: the config does not fit the data.
        ScratchFull: the unpacked data do not fit.
    """
    data = config.data
    with reading(data, scratch):
        source = directory(data, scratch, beat)
        if data.format == "dataset-json":
            listed, list_file = dataset_json.classified(source, data, config.seed), dataset_json.FILE
        else:
            listed, list_file = metadata.read(source, data, config.seed), table.FILE
        where = [f"{place}: image {file!r}" for place, file in zip(listed.where, listed.files, strict=True)]
        decoded, images_digest = images.load(
            find_all(source / data.images_directory, listed.files, where),
            where,
            Shape(data.channels, data.image_size),
            scratch,
            threads,
            beat,
        )
        digest = hashlib.sha256((source / list_file).read_bytes())
        if decoded.cache is not None and source.is_relative_to(scratch):
            shutil.rmtree(source)
    digest.update(images_digest.encode())
    prepared = ClassifiedImages(listed.classes, listed.splits, digest.hexdigest(), listed.labels, decoded)
    for split, indices in listed.splits.items():
        counts = prepared.counts(split)[:LISTED]
        shown = ", ".join(f"{count} {name}" for name, count in zip(listed.classes, counts, strict=False))
        more = f" and {len(listed.classes) - LISTED} more classes" if len(listed.classes) > LISTED else ""
        LOGGER.info("%s: %d images: %s%s", split, len(indices), shown, more)
    return prepared

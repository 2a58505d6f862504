"""Images with a mask of classes each: every one decoded and checked before training, and kept decoded.

Masks are files of labels beside the images, or are drawn of COCO's annotations.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors

from trainingrun_api import TrainingConfig
from trainingrun_api.training import AugmentationConfig, DataConfig
from trainingrun_trainer.data import coco, images, masks
from trainingrun_trainer.data.augmentation import augment_sample, changes
from trainingrun_trainer.data.images import Images, LabelPixels, Pixels, Shape, Unreadable
from trainingrun_trainer.data.labels import BACKGROUND, Labels
from trainingrun_trainer.data.masks import DrawnMask, Mask, MaskFile, Masks
from trainingrun_trainer.data.pairs import pairs
from trainingrun_trainer.data.prepared import PreparedData, directory, reading
from trainingrun_trainer.data.sampler import Key, generator
from trainingrun_trainer.data.splits import Indices
from trainingrun_trainer.logs import LOGGER

MASKS_CACHE = "masks.npy"
LABELS_CACHE = "labels.npy"
LISTED = 20
"""Classes whose share of the pixels is logged."""


class SegmentationBatch(NamedTuple):
    """Images and the class of each pixel.

    2D: (batch, channels, size, size) of uint8 and (batch, size, size) of int64; volumes: (batch, channels,
    depth, height, width) of float32 and (batch, depth, height, width). Masks hold 255 where nothing counts.
    """

    images: torch.Tensor
    masks: torch.Tensor


@dataclass(frozen=True)
class SegmentedImages(PreparedData):
    """A checked data set of images and their masks."""

    label_values: tuple[int, ...]
    """Label of each class in the masks; of COCO, the number of the category by its id, from 1."""
    pixels: Mapping[str, tuple[int, ...]]
    """Pixels of each class in each split, at the size that trains."""
    images: Images
    masks: Masks

    def pixel_counts(self, split: str) -> list[int]:
        """Pixels of each class in a split."""
        return list(self.pixels[split])

    def batches(self, config: TrainingConfig, *, augmented: bool) -> "SegmentationDataset":
        changed = augmented and changes(config.augmentation)
        return SegmentationDataset(self, config.augmentation if changed else None, config.seed)


@dataclass(frozen=True)
class SegmentationDataset(Dataset[SegmentationBatch]):
    """Whole batches of images and masks by their keys."""

    data: SegmentedImages
    augmentation: AugmentationConfig | None
    seed: int

    def __getitem__(self, key: Key) -> SegmentationBatch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> SegmentationBatch:
        indices = [index for _, index in keys]
        pictures = torch.from_numpy(self.data.images.take(indices))
        classes = torch.from_numpy(self.data.masks.take(indices))
        if self.augmentation is not None:
            for picture, mask, key in zip(pictures, classes, keys, strict=True):
                sample = {"mask": tv_tensors.Mask(mask)}
                changed, targets = augment_sample(
                    tv_tensors.Image(picture), sample, self.augmentation, generator(self.seed, *key)
                )
                picture.copy_(changed.as_subclass(torch.Tensor))
                mask.copy_(targets["mask"].as_subclass(torch.Tensor))
        return SegmentationBatch(pictures, classes.long())


class _Samples(NamedTuple):
    """What is to be read, and how labels are named."""

    images: Sequence[Path]
    masks: Sequence[Mask]
    where: Sequence[str]
    splits: Mapping[str, Indices]
    labels: DataConfig
    """The config, completed by the names that the data bring."""


class _Decoded(NamedTuple):
    """One sample at the size that trains."""

    pixels: Pixels
    labels: LabelPixels
    found: frozenset[int]
    """Labels of the mask at its own size: a small object may be gone at the other one."""
    digest: bytes


def prepare(
    config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None] = lambda: None
) -> SegmentedImages:
    """Prepare the data in an empty scratch directory.

    Args:
        config: where the data are, what they should become, and the seed of the split.
        scratch: directory for unpacked and decoded images.
        threads: how many decode images.
        beat: called for each member that is unpacked and each image that is decoded.

    Raises:
        BadData: the data cannot be trained on; names the first ten files or rows, and the remedy.
        BadConfig: the config does not fit the data.
        ScratchFull: the unpacked data do not fit.
    """
    data = config.data
    with reading(data, scratch):
        source = directory(data, scratch, beat)
        samples = _samples(source, data, config.seed)
        prepared = _prepare(samples, data, scratch, threads, beat)
        if prepared.images.cache is not None and source.is_relative_to(scratch):
            shutil.rmtree(source)
    for split, counts in prepared.pixels.items():
        _log(split, len(prepared.splits[split]), prepared.classes, counts)
    return prepared


def _samples(source: Path, config: DataConfig, seed: int) -> _Samples:
    if config.format != "coco":
        found = pairs(source, config, seed)
        return _Samples(
            found.images, [MaskFile(path) for path in found.masks], found.where, found.splits, config
        )
    annotations = coco.read(source, config, seed, masks=True)
    names = config.class_names or [BACKGROUND, *annotations.classes]
    return _Samples(
        [image.path for image in annotations.images],
        [DrawnMask(image, image.size) for image in annotations.images if image.size],
        [image.where for image in annotations.images],
        annotations.splits,
        config.model_copy(update={"class_names": names}),
    )


def _prepare(
    samples: _Samples, config: DataConfig, scratch: Path, threads: int, beat: Callable[[], None]
) -> SegmentedImages:
    shape = Shape(config.channels, config.image_size)
    caches = _Caches.of(scratch, len(samples.images), shape)
    found: list[frozenset[int]] = []
    pixels_of: list[Mapping[int, int]] = []
    digest = hashlib.sha256()

    def read(index: int) -> _Decoded:
        return _read(samples.images[index], samples.masks[index], shape)

    where = [f"{place}:" for place in samples.where]
    ahead = images.BYTES_AHEAD // (shape.size**2 * (shape.channels + 2))
    for index, sample in images.read_all(read, where, threads, images.ADVICE, ahead):
        digest.update(sample.digest)
        found.append(sample.found)
        values, occurrences = np.unique(sample.labels, return_counts=True)
        pixels_of.append(dict(zip(values.tolist(), occurrences.tolist(), strict=True)))
        if caches is not None:
            caches.put(index, sample)
        beat()

    labels = Labels.of(found, [f"{place}: mask" for place in samples.where], samples.labels)
    table = labels.table()
    if caches is not None:
        caches.translate(table, beat)
    digest.update("\0".join(labels.names).encode())
    for split, indices in samples.splits.items():
        digest.update(split.encode() + indices.tobytes())
    return SegmentedImages(
        classes=labels.names,
        splits=samples.splits,
        digest=digest.hexdigest(),
        label_values=labels.values,
        pixels={
            split: _pixels([pixels_of[index] for index in indices], table, len(labels.names))
            for split, indices in samples.splits.items()
        },
        images=Images(tuple(samples.images), shape, scratch / images.CACHE_NAME if caches else None),
        masks=Masks(tuple(samples.masks), shape.size, table, scratch / MASKS_CACHE if caches else None),
    )


@dataclass(frozen=True)
class _Caches:
    """Decoded images and masks in files of the scratch directory. Which class a label is shows only when all
    masks are read, so labels are kept first."""

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint16]
    masks: npt.NDArray[np.uint8]
    labels_file: Path

    @classmethod
    def of(cls, scratch: Path, count: int, shape: Shape) -> "_Caches | None":
        """Empty files for so many samples, or None where they would not fit."""
        size = shape.size
        if not images.fits(count * size**2 * (shape.channels + 3), scratch):
            return None

        def store(name: str, dtype: npt.DTypeLike, *extent: int) -> npt.NDArray[Any]:
            return np.lib.format.open_memmap(scratch / name, mode="w+", dtype=dtype, shape=extent)

        return cls(
            store(images.CACHE_NAME, np.uint8, count, shape.channels, size, size),
            store(LABELS_CACHE, np.uint16, count, size, size),
            store(MASKS_CACHE, np.uint8, count, size, size),
            scratch / LABELS_CACHE,
        )

    def put(self, index: int, sample: _Decoded) -> None:
        """Keep a sample."""
        self.pictures[index] = sample.pixels
        self.labels[index] = sample.labels

    def translate(self, table: Pixels, beat: Callable[[], None]) -> None:
        """Turn all labels into class indices."""
        for index, labels in enumerate(self.labels):
            self.masks[index] = table[labels]
            beat()
        self.labels_file.unlink()


def _read(path: Path, mask: Mask, shape: Shape) -> _Decoded:
    """One sample. Raises Unreadable, with the name of its image or mask."""
    try:
        content = images.content_of(path)
        picture = images.picture(content, shape.channels)
    except Unreadable as error:
        raise Unreadable(f"image {path.name!r} {error}") from error
    labels, mask_digest = mask.read()
    height, width = labels.shape
    if picture.size != (width, height):
        raise Unreadable(
            f"mask of {width} x {height} pixels for image {path.name!r} of {picture.width} x {picture.height}"
        )
    return _Decoded(
        images.resized(picture, shape.size),
        masks.resized(labels, shape.size),
        frozenset(np.flatnonzero(np.bincount(labels.ravel())).tolist()),
        hashlib.sha256(content).digest() + mask_digest,
    )


def _pixels(of_masks: Sequence[Mapping[int, int]], table: Pixels, classes: int) -> tuple[int, ...]:
    """Pixels of each class in masks, of which those of each label are known."""
    total = [0] * classes
    for counts in of_masks:
        for label, count in counts.items():
            if table[label] < classes:
                total[table[label]] += count
    return tuple(total)


def _log(split: str, samples: int, classes: Sequence[str], counts: Sequence[int]) -> None:
    whole = max(sum(counts), 1)
    shares = [f"{name} {count / whole:.2%}" for name, count in zip(classes, counts, strict=True)]
    more = f" and {len(shares) - LISTED} more classes" if len(shares) > LISTED else ""
    LOGGER.info("%s: %d images, pixels: %s%s", split, samples, ", ".join(shares[:LISTED]), more)
    if absent := [name for name, count in zip(classes, counts, strict=True) if not count]:
        LOGGER.warning("no mask of the %s split shows %s", split, ", ".join(absent[:LISTED]))

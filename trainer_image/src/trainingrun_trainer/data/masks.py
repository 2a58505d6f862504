"""The masks of a data set: where their labels come from, and the classes that are made of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from trainingrun_trainer.data import images, instances
from trainingrun_trainer.data.images import LabelPixels, Pixels, Unreadable
from trainingrun_trainer.data.instances import AnnotatedImage


class Mask(Protocol):
    """Where the labels of one image come from."""

    def read(self) -> tuple[LabelPixels, bytes]:
        """The label of each pixel, (height, width), and the SHA-256 of what was read.

        Raises:
            Unreadable: see `images.mask_labels`; names the mask.
        """
        ...


@dataclass(frozen=True)
class MaskFile:
    """A picture of labels."""

    path: Path

    def read(self) -> tuple[LabelPixels, bytes]:
        try:
            content = images.content_of(self.path)
            return images.mask_labels(content), hashlib.sha256(content).digest()
        except Unreadable as error:
            raise Unreadable(f"mask {self.path.name!r} {error}") from error


@dataclass(frozen=True)
class DrawnMask:
    """Objects that are drawn as the label of their class plus one, on a background of 0. Where objects
    overlap one sees the smaller one."""

    image: AnnotatedImage
    size: tuple[int, int]
    """Width and height of the image."""

    def read(self) -> tuple[LabelPixels, bytes]:
        width, height = self.size
        if width * height > images.MOST_PIXELS:
            raise Unreadable(f"is {width} x {height} in the annotations, which are too many pixels")
        labels = np.zeros((height, width), dtype=np.uint16)
        digest = hashlib.sha256()
        drawn = []
        for instance in self.image.instances:
            if instance.segmentation is None:
                raise Unreadable(f"{instance.where} has no segmentation")
            try:
                counts = instances.encode(instance.segmentation, self.size, self.size)
            except ValueError as error:
                raise Unreadable(f"{instance.where} {error}") from error
            digest.update(instance.label.to_bytes(4, "little") + counts)
            drawn.append((instances.decode(counts, self.size) > 0, instance.label + 1))
        for inside, label in sorted(drawn, key=lambda pair: -np.count_nonzero(pair[0])):
            labels[inside] = label
        return labels, digest.digest()


@dataclass(frozen=True)
class Masks:
    """The masks of a data set in the order of its images, read when indexed."""

    sources: tuple[Mask, ...]
    size: int
    table: Pixels
    """Class index of each label, (65536,)."""
    cache: Path | None
    """Class indices, (masks, size, size)."""

    @cached_property
    def _decoded(self) -> Pixels | None:
        return None if self.cache is None else np.load(self.cache, mmap_mode="r")

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("sources", "size", "table", "cache")}

    def take(self, indices: Sequence[int]) -> Pixels:
        """Copies of some masks as class indices, (len(indices), size, size)."""
        if self._decoded is not None:
            return self._decoded[indices]
        return np.stack([self.table[resized(self.sources[index].read()[0], self.size)] for index in indices])


def resized(labels: LabelPixels, size: int) -> LabelPixels:
    """A mask as (size, size) by nearest neighbour: each pixel is what lies under its centre."""
    rows, columns = (((np.arange(size) + 0.5) * side / size).astype(np.int64) for side in labels.shape)
    return labels[np.ix_(rows, columns)]

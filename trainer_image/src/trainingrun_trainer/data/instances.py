"""Annotated objects in pictures: the form that every format is read into, and their geometry.

Readers (coco, yolo, dataset_json) make `Annotations`; what they hold is checked and drawn against the picture
itself when that is decoded, for only then its size is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as rle

from trainingrun_trainer.data.splits import Indices

OVERHANG = 0.05
"""Share of a picture's side by which objects may leave it. What does is cut at the edge: tools draw a little
too far. What leaves it further belongs to another picture or another scale."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""
Size = tuple[float, float]
"""Width and height."""
Polygons = Sequence[Sequence[float]]
"""Outlines x1, y1, x2, y2, ... that together are one object."""
Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Instance:
    """One object, in pixels or shares of the sides as its picture says."""

    label: int
    """Index into the classes."""
    box: Box
    where: str
    """What a message calls it, such as "annotations[3] of annotations.json"."""
    segmentation: Polygons | Mapping[str, Any] | None = None
    """Polygons, or a run-length encoding with size [height, width] and counts as COCO defines it."""
    crowd: bool = False
    """A group that was not told apart: neither trained on nor held against a prediction."""


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One picture and the objects in it; no objects is a negative example."""

    path: Path
    where: str
    instances: tuple[Instance, ...]
    size: tuple[int, int] | None = None
    """Width and height in pixels, where the annotations say them."""
    shares: bool = False
    """Whether coordinates are shares of the sides instead of pixels."""

    def extent(self, size: tuple[int, int]) -> Size:
        """Width and height, in the units of the coordinates, of the picture of a size in pixels."""
        return (1.0, 1.0) if self.shares else size


@dataclass(frozen=True)
class Annotations:
    """All that the annotation files of a data set say."""

    classes: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]
    splits: Mapping[str, Indices]
    digest: bytes
    """SHA-256 of the files."""


def clip(box: Box, extent: Size, overhang: float = OVERHANG) -> Box:
    """The part of a box that lies in a picture.

    Raises:
        ValueError: the box has no area, or leaves the picture too far; says which.
    """
    left, top, right, bottom = box
    if not all(map(np.isfinite, box)):
        raise ValueError("is no box of finite numbers")
    if right <= left or bottom <= top:
        raise ValueError(f"is {right - left:g} wide and {bottom - top:g} high")
    width, height = extent
    clipped = max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height)
    outside = max(-left / width, right / width - 1, -top / height, bottom / height - 1)
    if outside > overhang or clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        corners = ", ".join(f"{value:g}" for value in box)
        raise ValueError(f"reaches from {corners} in a picture of {width:g} x {height:g}")
    return clipped


def scaled(box: Box, extent: Size, target: Size) -> Box:
    """A box in a picture of another size."""
    across, down = target[0] / extent[0], target[1] / extent[1]
    return box[0] * across, box[1] * down, box[2] * across, box[3] * down


def bounds(polygons: Polygons) -> Box:
    """The box around polygons."""
    points = np.concatenate([np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons])
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom


def encode(segmentation: Polygons | Mapping[str, Any], extent: Size, target: tuple[int, int]) -> bytes:
    """Draw an object in a picture of a size: polygons at that size, encoded masks by nearest neighbour.

    Args:
        segmentation: see `Instance`.
        extent: width and height in the units of the coordinates.
        target: width and height of the picture to draw in.

    Returns:
        The counts of COCO's compressed run-length encoding, for `decode`.

    Raises:
        ValueError: the segmentation is damaged or does not fit the picture; says how.
    """
    width, height = target
    if isinstance(segmentation, Mapping):
        mask = _mask(segmentation, extent)
        rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(np.int64)
        encoded = rle.encode(np.asfortranarray(mask[np.ix_(rows, columns)]))
    else:
        for polygon in segmentation:
            if len(polygon) < 6 or len(polygon) % 2:
                raise ValueError(f"has a polygon of {len(polygon)} numbers instead of 3 points or more")
        clip(bounds(segmentation), extent)
        scale = np.array([width / extent[0], height / extent[1]])
        outlines = [
            (np.asarray(polygon, dtype=np.float64).reshape(-1, 2) * scale).ravel().tolist()
            for polygon in segmentation
        ]
        encoded = rle.merge(rle.frPyObjects(outlines, height, width))
    counts: bytes = encoded["counts"]
    return counts


def decode(counts: bytes, size: tuple[int, int]) -> Mask:
    """The mask, (height, width) of 0 and 1, that `encode` drew in a picture of a width and height."""
    mask: Mask = rle.decode({"size": [size[1], size[0]], "counts": counts})
    return mask


def _mask(segmentation: Mapping[str, Any], extent: Size) -> Mask:
    width, height = extent
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(
            f"has an RLE of size {list(segmentation['size'])} in a picture of size [{height:g}, {width:g}]"
        )
    counts = segmentation["counts"]
    lengths = _run_lengths(counts) if isinstance(counts, str | bytes) else list(counts)
    if min(lengths, default=0) < 0 or sum(lengths) != width * height:
        raise ValueError(f"has an RLE of {sum(lengths)} pixels in a picture of {width * height:g}")
    if not any(lengths[1::2]):
        raise ValueError("has an RLE without any pixel of the object")
    encoding = rle.frPyObjects({"size": [height, width], "counts": lengths}, int(height), int(width))
    mask: Mask = rle.decode(encoding)
    return mask


def _run_lengths(counts: str | bytes) -> list[int]:
    """The runs of a compressed encoding. pycocotools reads it itself, but leaves memory as it was where runs
    are missing.

    Raises:
        ValueError: it is damaged.

    Source: rleFrString in maskApi.c of https://github.com/cocodataset/cocoapi
    """
    lengths: list[int] = []
    value = shift = 0
    for byte in counts.encode() if isinstance(counts, str) else counts:
        digit = byte - ord("0")
        if not 0 <= digit < 64:
            raise ValueError("has a damaged RLE")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:  # more follows
            continue
        if digit & 0x10:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("has a damaged RLE")
    return lengths

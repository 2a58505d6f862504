"""Read picture files into arrays, and keep them decoded where every process of the node can map them.

One decoder for images and masks of all tasks: see `picture` and `mask_labels`. Decoding once and mapping the
result costs each later epoch one copy an image. Where the decoded images would not fit on the node, they are
decoded again each time.
"""

import hashlib
import io
import shutil
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from trainingrun_trainer.data.problems import Problems

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for a file of another format, or a damaged one."""
ADVICE = "Replace these files or drop them."
MOST_PIXELS = 89_478_485
"""Pixels that a picture may have: Pillow's own guard against decompression bombs."""
CACHE_NAME = "decoded.npy"
CACHE_SHARE = 0.5
"""Largest share of the scratch volume's free space that decoded images may take."""
READ_AHEAD = 256
"""Images at most that are decoded ahead of the one being stored."""
BYTES_AHEAD = 2**28
"""Memory that they may take together."""

Pixels = npt.NDArray[np.uint8]
LabelPixels = npt.NDArray[np.uint16]
T = TypeVar("T")

# An error here, where Pillow only warns up to twice as many.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class Unreadable(Exception):  # noqa: N818 - as BadData
    """A picture file that cannot be used. The text goes after the name of the file."""


@dataclass(frozen=True)
class Shape:
    """What images are brought to."""

    channels: int
    size: int


@dataclass(frozen=True)
class Images:
    """The images of a data set in the order of metadata.csv, read when indexed."""

    paths: tuple[Path, ...]
    shape: Shape
    cache: Path | None
    """Decoded images, (images, channels, size, size)."""

    @cached_property
    def _decoded(self) -> Pixels | None:
        return None if self.cache is None else np.load(self.cache, mmap_mode="r")

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("paths", "shape", "cache")}

    def take(self, indices: Sequence[int]) -> Pixels:
        """Copies of some images, (len(indices), channels, size, size)."""
        if self._decoded is not None:
            return self._decoded[indices]
        return np.stack([decode(self.paths[index].read_bytes(), self.shape) for index in indices])


def picture(content: bytes, channels: int) -> Image.Image:
    """A picture file as people see it, upright as its EXIF data say, in 8 bits: mode L for one channel, else
    RGB.

    16-bit greys, which X-rays have, keep their upper byte. What is transparent becomes black. Palettes become
    their colours.

    Raises:
        Unreadable: it is no intact file of `FORMATS`, too large, or of several pages; says which.
    """
    try:
        image = _opaque(_eight_bits(_open(content)))
        return image.convert("L" if channels == 1 else "RGB")
    except DAMAGE as error:
        raise Unreadable(f"is no intact {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error


def mask_labels(content: bytes) -> LabelPixels:
    """The label of each pixel of a mask file, (height, width): its grey of 1, 8 or 16 bits, or the index into
    its palette. Upright as its EXIF data say.

    Raises:
        Unreadable: as `picture`; or it holds colours, decimal numbers or lossy greys.
    """
    try:
        image = _open(content)
        if image.format == "JPEG":
            raise Unreadable("is a JPEG, whose labels are not exact: save it as PNG")
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise Unreadable(f"has the mode {image.mode} instead of one grey or palette index a pixel")
        labels = np.asarray(image).astype(np.int64)
    except DAMAGE as error:
        raise Unreadable(f"is no intact {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error
    if labels.min() < 0 or labels.max() > np.iinfo(np.uint16).max:
        raise Unreadable(f"holds labels from {labels.min()} to {labels.max()}, not from 0 to 65535")
    return labels.astype(np.uint16)


def decode(content: bytes, shape: Shape) -> Pixels:
    """One image file as (channels, size, size).

    Raises:
        Unreadable: see `picture`.
    """
    return resized(picture(content, shape.channels), shape.size)


def resized(image: Image.Image, size: int) -> Pixels:
    """A picture of mode L or RGB as (channels, size, size)."""
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _open(content: bytes) -> Image.Image:
    """The decoded file, upright. Raises Unreadable and `DAMAGE`."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if pages > 1:
            raise Unreadable(f"has {pages} pages")
        ImageOps.exif_transpose(image, in_place=True)
        return image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("has too many pixels") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Greys of 16 bits by their upper byte; Pillow's own conversion would cut them off at 255."""
    if image.mode == "F":
        raise Unreadable("holds decimal numbers")
    if not image.mode.startswith("I"):
        return image
    greys = np.asarray(image).astype(np.int64)
    if greys.min() < 0 or greys.max() > np.iinfo(np.uint16).max:
        raise Unreadable("holds numbers of more than 16 bits")
    return Image.fromarray((greys >> 8).astype(np.uint8))


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA"))


def fits(needed: int, scratch: Path) -> bool:
    """Whether so many bytes of decoded pictures may be kept."""
    return needed <= CACHE_SHARE * shutil.disk_usage(scratch).free


def load(
    paths: Sequence[Path],
    where: Sequence[str],
    shape: Shape,
    scratch: Path,
    threads: int,
    beat: Callable[[], None] = lambda: None,
) -> tuple[Images, str]:
    """Decode every image once, so that a bad one is found before training, and keep the result if it fits.

    Args:
        paths: the image files.
        where: what a message calls each.
        shape: what they are brought to.
        scratch: directory for the decoded images.
        threads: how many decode images.
        beat: called for each image.

    Returns:
        The images, and the SHA-256 of all files in their order.

    Raises:
        BadData: images are missing or cannot be read; names the first ten.
    """
    extent = len(paths), shape.channels, shape.size, shape.size
    cache = scratch / CACHE_NAME if fits(int(np.prod(extent)), scratch) else None
    store = np.lib.format.open_memmap(cache, mode="w+", dtype=np.uint8, shape=extent) if cache else None

    def read(index: int) -> tuple[Pixels, bytes]:
        content = content_of(paths[index])
        return decode(content, shape), hashlib.sha256(content).digest()

    digest = hashlib.sha256()
    ahead = BYTES_AHEAD // int(np.prod(extent[1:]))
    for index, (pixels, file_digest) in read_all(read, where, threads, ADVICE, ahead):
        digest.update(file_digest)
        if store is not None:
            store[index] = pixels
        beat()
    if store is not None:
        store.flush()
    return Images(tuple(paths), shape, cache), digest.hexdigest()


def read_all(
    read: Callable[[int], T], where: Sequence[str], threads: int, advice: str, ahead: int = READ_AHEAD
) -> Iterable[tuple[int, T]]:
    """What a function reads of each sample by its number, in order, some samples ahead by threads. Goes
    through all samples even where some are unreadable, to name the first ten.

    Raises:
        BadData: the function raised Unreadable; with the sample's `where`.
    """
    problems = Problems()

    def attempt(index: int) -> T | Unreadable:
        try:
            return read(index)
        except Unreadable as error:
            return error

    ahead = max(threads, min(ahead, READ_AHEAD))
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(where), ahead):
            numbers = range(start, min(start + ahead, len(where)))
            for index, result in zip(numbers, pool.map(attempt, numbers), strict=True):
                if isinstance(result, Unreadable):
                    problems.add(f"{where[index]} {result}")
                else:
                    yield index, result
    problems.check(advice)


def content_of(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        Unreadable: it is not there or cannot be read.
        PermissionError: it may not be read, which is no fault of the file.
    """
    try:
        return path.read_bytes()
    except PermissionError:
        raise
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error

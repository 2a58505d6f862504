"""Read image files into uint8 arrays, and keep them decoded where every process of the node can map them.

Decoding once and mapping the result costs each later epoch one copy an image. Where the decoded images would
not fit on the node, they are decoded again each time.
"""

import hashlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from trainingrun_trainer.data.metadata import FILE, row_of
from trainingrun_trainer.errors import BadData

FORMATS = ("PNG", "JPEG")
CACHE_NAME = "decoded.npy"
CACHE_SHARE = 0.5
"""Largest share of the scratch volume's free space that decoded images may take."""
READ_AHEAD = 256
"""Images that are decoded ahead of the one being stored."""

Pixels = npt.NDArray[np.uint8]

# A file of more than Image.MAX_IMAGE_PIXELS (89 million) is an error here, not only one of twice as many.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


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


def decode(content: bytes, shape: Shape) -> Pixels:
    """One image file as (channels, size, size).

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning: what
            Pillow raises for a file that is no PNG or JPEG, damaged, or too large.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        image = _eight_bits(opened).convert("L" if shape.channels == 1 else "RGB")
    image = image.resize((shape.size, shape.size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[np.newaxis] if shape.channels == 1 else np.moveaxis(pixels, -1, 0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit greys, which X-rays have, by their upper byte; Pillow's own conversion would cut them off at
    255."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return image


def load(
    directory: Path,
    files: Sequence[str],
    shape: Shape,
    scratch: Path,
    threads: int,
    beat: Callable[[], None] = lambda: None,
) -> tuple[Images, str]:
    """Decode every image once, so that a bad one is found before training, and keep the result if it fits.
    Calls `beat` for each image.

    Returns:
        The images, and the SHA-256 of all files in their order.

    Raises:
        BadData: an image is missing or cannot be read; names its row.
    """
    paths = tuple(directory / name for name in files)
    needed = len(paths) * shape.channels * shape.size**2
    fits = needed <= CACHE_SHARE * shutil.disk_usage(scratch).free
    cache = scratch / CACHE_NAME if fits else None
    store = (
        np.lib.format.open_memmap(
            cache, mode="w+", dtype=np.uint8, shape=(len(paths), shape.channels, shape.size, shape.size)
        )
        if cache
        else None
    )
    digest = hashlib.sha256()
    for index, (pixels, file_digest) in enumerate(_decode_all(paths, files, shape, threads)):
        digest.update(file_digest)
        if store is not None:
            store[index] = pixels
        beat()
    if store is not None:
        store.flush()
    return Images(paths, shape, cache), digest.hexdigest()


def _decode_all(
    paths: Sequence[Path], files: Sequence[str], shape: Shape, threads: int
) -> Iterable[tuple[Pixels, bytes]]:
    def read(index: int) -> tuple[Pixels, bytes]:
        content = _content(paths[index], files[index], index)
        try:
            return decode(content, shape), hashlib.sha256(content).digest()
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadData(
                f"row {row_of(index)} of {FILE}: image {files[index]!r} has too many pixels",
                "Shrink or drop the image.",
            ) from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise BadData(
                f"row {row_of(index)} of {FILE}: image {files[index]!r} is no intact {' or '.join(FORMATS)}",
                "Replace the file or drop the row.",
            ) from error

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), READ_AHEAD):
            yield from pool.map(read, range(start, min(start + READ_AHEAD, len(paths))))


def _content(path: Path, name: str, index: int) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadData(
            f"row {row_of(index)} of {FILE}: image {name!r} cannot be read: {error.strerror}",
            "Add the file below images/ or drop the row.",
        ) from error

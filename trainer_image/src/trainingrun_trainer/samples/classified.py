"""Pictures with one class each, as metadata.csv and images/.

digits: the 1,797 scanned handwritten digits that scikit-learn ships (8 by 8 pixels, UCI Machine Learning
Repository).
xray: generated chest-like pictures of two classes, with and without an opacity; they mean nothing medically.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainingrun_trainer.data.table import FILE, IMAGES
from trainingrun_trainer.samples.packing import pack, png

XRAY_IMAGES = 600
XRAY_SIZE = 64
XRAY_SEED = 7

Picture = tuple[npt.NDArray[np.uint8], str]


def digits() -> Iterator[Picture]:
    """Grey pictures of digits and their names.

    Raises:
        ImportError: without scikit-learn, which the trainer's image leaves out.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    for picture, label in zip(data.images, data.target, strict=True):
        yield (picture * (255 / 16)).round().astype(np.uint8), str(label)


def xray() -> Iterator[Picture]:
    """Grey pictures of lungs, every second one with an opacity."""
    random = np.random.default_rng(XRAY_SEED)
    for number in range(XRAY_IMAGES):
        label = "opacity" if number % 2 else "clear"
        yield _chest(random, with_opacity=label == "opacity"), label


def _chest(random: np.random.Generator, *, with_opacity: bool) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[-1 : 1 : XRAY_SIZE * 1j, -1 : 1 : XRAY_SIZE * 1j]
    picture = 0.75 - 0.25 * np.abs(x) + random.normal(0, 0.03)
    top, width = random.normal(-0.05, 0.04), random.normal(0.28, 0.02)
    for side in (-1, 1):
        lung = ((x - side * 0.42) / width) ** 2 + ((y - top) / 0.65) ** 2
        picture -= 0.45 / (1 + np.exp(12 * (lung - 1)))
    picture += 0.05 * np.sin(14 * (y + 0.25 * x**2 + random.uniform(0, 1)))
    if with_opacity:
        side = random.choice((-1, 1))
        center_x, center_y = side * 0.42 + random.normal(0, 0.06), top + random.uniform(-0.3, 0.35)
        radius = random.uniform(0.12, 0.2)
        distance = ((x - center_x) ** 2 + (y - center_y) ** 2) / radius**2
        picture += random.uniform(0.25, 0.4) * np.exp(-distance)
    picture += random.normal(0, 0.03, picture.shape)
    pixels: npt.NDArray[np.uint8] = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels


def write_zip(pictures: Iterable[Picture], path: Path) -> None:
    """Write metadata.csv and images/ into an archive."""
    pack(_members(pictures), path)


def _members(pictures: Iterable[Picture]) -> Iterator[tuple[str, bytes]]:
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(("filename", "label"))
    for number, (picture, label) in enumerate(pictures):
        name = f"{number:04}.png"
        yield f"{IMAGES}/{name}", png(picture)
        rows.writerow((name, label))
    yield FILE, table.getvalue().encode()

"""Pictures of a brushed metal surface with scratches and pits, their masks, and split files.

images/ and masks/ hold PNG of the same names, masks 0 and 255; train.txt, val.txt and test.txt name
them. Every sixth surface is flawless.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainingrun_trainer.samples.packing import pack, png

PICTURES = 120
SIZE = 96
SEED = 11
SPLITS = {"train": range(80), "val": range(80, 100), "test": range(100, PICTURES)}

Floats = npt.NDArray[np.float64]


def write_defects(path: Path) -> None:
    """Write the archive."""
    pack(_members(), path)


def _members() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(SEED)
    names = [f"surface_{number:03}.png" for number in range(PICTURES)]
    for number, name in enumerate(names):
        picture, mask = surface(random, defects=0 if number % 6 == 5 else int(random.integers(1, 4)))
        yield f"images/{name}", png(picture)
        yield f"masks/{name}", png(mask)
    for split, numbers in SPLITS.items():
        yield f"{split}.txt", "".join(f"{names[number]}\n" for number in numbers).encode()


def surface(random: np.random.Generator, defects: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """One picture, (SIZE, SIZE, 3), with so many defects, and its mask, (SIZE, SIZE)."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
    grain = np.cumsum(random.normal(0, 0.02, SIZE))[:, np.newaxis]
    picture = 0.55 + grain - grain.mean() + 0.0008 * (x - SIZE / 2) * random.uniform(-1, 1)
    picture = picture + random.normal(0, 0.03, picture.shape)
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    for _ in range(defects):
        shape = _scratch(random, x, y) if random.random() < 0.5 else _pit(random, x, y)
        picture = np.where(shape, picture - random.uniform(0.25, 0.4), picture)
        mask |= shape
    tint = np.array([1.0, 0.98, 0.94])
    coloured: npt.NDArray[np.uint8] = (picture[..., np.newaxis] * tint * 255).clip(0, 255).astype(np.uint8)
    return coloured, (mask * 255).astype(np.uint8)


def _scratch(random: np.random.Generator, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    angle = random.uniform(0, np.pi)
    x, y = x - random.uniform(20, SIZE - 20), y - random.uniform(20, SIZE - 20)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside: npt.NDArray[np.bool_] = (np.abs(along) < random.uniform(15, 35)) & (
        np.abs(across) < random.uniform(1.5, 3)
    )
    return inside


def _pit(random: np.random.Generator, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    center_x, center_y = random.uniform(12, SIZE - 12, 2)
    wide, high = random.uniform(4, 11, 2)
    inside: npt.NDArray[np.bool_] = ((x - center_x) / wide) ** 2 + ((y - center_y) / high) ** 2 < 1
    return inside

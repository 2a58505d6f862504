"""Volumes of an abdomen with a liver and, in most, tumors: metadata.csv, images/ and masks/.

Every second volume is NIfTI (.nii.gz, axes to the left, back and head as scanners write them), the others are
npy. Intensities stand for Hounsfield units, labels are 0 background, 1 liver, 2 tumor. Generated; they mean
nothing medically.
"""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from trainingrun_trainer.samples.packing import pack

VOLUMES = 20
SIDE = 48
SEED = 13
SPLITS = ("train",) * 14 + ("val",) * 4 + ("test",) * 2
AIR, TISSUE, LIVER, TUMOR = -1000, 40, 110, 60
"""Mean intensities in Hounsfield units."""
MILLIMETRES = 5.0

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.int16]
Mask = npt.NDArray[np.uint8]


def write_liver(path: Path) -> None:
    """Write the archive."""
    pack(_members(), path)


def _members() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(SEED)
    rows = ["filename,split"]
    for number, split in enumerate(SPLITS):
        image, mask = abdomen(random, tumors=number % 4)
        name = f"abdomen_{number:02}{'.npy' if number % 2 else '.nii.gz'}"
        encode = _npy if number % 2 else _nifti
        yield f"images/{name}", encode(image)
        yield f"masks/{name}", encode(mask)
        rows.append(f"{name},{split}")
    yield "metadata.csv", "".join(f"{row}\n" for row in rows).encode()


def abdomen(random: np.random.Generator, tumors: int) -> tuple[Image, Mask]:
    """One volume, (SIDE, SIDE, SIDE) as depth, height and width, with so many tumors in its liver."""
    grid = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    body = _ball(grid, (0, 0, 0), (2, 0.8, 0.9))
    center = np.array([0.1, 0.05, 0.3]) + random.uniform(-0.08, 0.08, 3)
    radii = np.array([0.5, 0.45, 0.5]) * random.uniform(0.9, 1.1, 3)
    liver = _ball(grid, center, radii)
    tumor = np.zeros_like(liver)
    for _ in range(tumors):
        away = center + radii * random.uniform(-0.45, 0.45, 3)
        tumor |= _ball(grid, away, np.full(3, random.uniform(0.14, 0.22)))
    tumor &= liver
    image = np.select([tumor, liver, body], [TUMOR, LIVER, TISSUE], AIR).astype(np.float64)
    image += random.normal(0, 12, image.shape)
    return image.round().astype(np.int16), np.select([tumor, liver], [2, 1], 0).astype(np.uint8)


def _ball(grid: Floats, center: npt.ArrayLike, radii: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Where an ellipsoid is."""
    away = (np.moveaxis(grid, 0, -1) - np.asarray(center)) / np.asarray(radii)
    inside: npt.NDArray[np.bool_] = (away**2).sum(axis=-1) < 1
    return inside


def _npy(volume: Image | Mask) -> bytes:
    encoded = io.BytesIO()
    np.save(encoded, volume)
    return encoded.getvalue()


def _nifti(volume: Image | Mask) -> bytes:
    """The volume as a scanner writes it: width to the left, height to the back."""
    stored = volume.transpose()[::-1, ::-1]
    affine = np.diag([-MILLIMETRES, -MILLIMETRES, MILLIMETRES, 1.0])
    image = nib.Nifti1Image(stored, affine)
    return gzip.compress(image.to_bytes(), mtime=0)

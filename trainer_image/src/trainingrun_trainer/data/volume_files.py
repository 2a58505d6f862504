"""Read files of volumes: NIfTI (.nii, .nii.gz) and npy, as (depth, height, width).

NIfTI is turned to the closest canonical orientation by its affine, so that width grows to the patient's
right, height to the front and depth to the head, whatever scanner wrote it. npy is taken as it is. Headers
are read first: a file that claims too many voxels is never loaded.
"""

import tokenize
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

SUFFIXES = (".nii", ".nii.gz", ".npy")
MOST_VOXELS = 2**29
"""A CT of 512 × 512 × 2,048; its intensities take 2 GiB while they are read."""
MOST_LABEL = 65535
MOST_LABELS = 255
"""More different values than this make a picture, not a mask."""
AGREE_VOXELS = 0.5
"""How far apart the corners of two affines may lie that are taken for the same, in voxels."""

Sides = tuple[int, int, int]


class BadVolume(ValueError):  # noqa: N818 - the word of the run's reason
    """What is wrong with a file, as a text that follows its name."""


@dataclass(frozen=True)
class Header:
    """What a file says of its volume."""

    shape: Sides
    """Depth, height, width."""
    orientation: str | None
    """Where the axes of the file point to, such as "LPS"; None: npy, which does not say."""
    affine: npt.NDArray[np.float64] | None
    """From voxels of the turned volume (width, height, depth) to millimetres, (4, 4)."""


@contextmanager
def _in_the_users_words() -> Iterator[None]:
    try:
        yield
    except (PermissionError, BadVolume):
        raise
    except FileNotFoundError as error:
        raise BadVolume("is missing") from error
    except IsADirectoryError as error:
        raise BadVolume("is a directory") from error
    except (
        nib.filebasedimages.ImageFileError,
        nib.spatialimages.HeaderDataError,
        nib.orientations.OrientationError,
        np.linalg.LinAlgError,
        zlib.error,
        tokenize.TokenError,
        EOFError,
        OSError,
        OverflowError,
        SyntaxError,
        ValueError,
    ) as error:  # what nibabel and numpy raise for damaged and foreign files
        reason = " ".join(str(error).split())
        raise BadVolume(f"is no intact NIfTI or npy: {reason}") from error


def header(path: Path) -> Header:
    """What a file says of its volume, read without its voxels.

    Raises:
        BadVolume: it is neither NIfTI nor npy, damaged, not of three dimensions (a further first or last axis
            of length 1 is dropped), not of numbers, or too large.
        PermissionError: it may not be read.
    """
    with _in_the_users_words():
        opened = _open(path)
        if isinstance(opened, np.ndarray):
            return Header(_checked_sides(opened.shape, opened.dtype), None, None)
        width, height, depth = _checked_sides(opened.shape, opened.get_data_dtype())
        turn = _turn(opened)
        back = nib.orientations.inv_ornt_aff(turn, (width, height, depth))
        width, height, depth = _turned((width, height, depth), turn)
        return Header(
            shape=(depth, height, width),
            orientation="".join(nib.aff2axcodes(opened.affine)),
            affine=opened.affine @ back,
        )


def lie_together(one: Header, other: Header) -> bool:
    """Whether equal indices of two turned volumes are the same place of the patient.

    They are where both were stored alike, whatever else the headers say, as masks often bear a poor copy of
    the image's; and where they were stored in different orientations, but their affines agree.
    """
    if one.orientation == other.orientation:
        return True
    if one.affine is None or other.affine is None:
        return False
    corners = np.array([[0, 0, 0, 1], [*(side - 1 for side in reversed(one.shape)), 1]], dtype=np.float64)
    apart = np.linalg.solve(one.affine, (other.affine - one.affine) @ corners.T)
    return bool(np.abs(apart).max() <= AGREE_VOXELS)


def intensities(path: Path, window: tuple[float, float] | None) -> npt.NDArray[np.float16]:
    """An image, (depth, height, width), in [0, 1]: the bounds of the window become 0 and 1, what is beyond
    is cut; without a window its least and greatest intensity are the bounds.

    Raises:
        BadVolume: as for `header`, or an intensity is not finite or too large.
        PermissionError: it may not be read.
    """
    with _in_the_users_words():
        voxels = _voxels(path, np.float32)
        low, high = float(voxels.min()), float(voxels.max())
        if not np.isfinite((low, high)).all():
            raise BadVolume("holds NaN or infinite intensities")
        if high - low > float(np.finfo(np.float32).max):
            raise BadVolume(f"holds intensities from {low:g} to {high:g}, which are too far apart")
        if window is not None:
            low, high = window
        voxels = (voxels - np.float32(low)) / np.float32(high - low if high > low else 1)
        return np.ascontiguousarray(voxels.clip(0, 1).astype(np.float16))


def labels(path: Path) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """A mask, (depth, height, width).

    Raises:
        BadVolume: as for `header`, or a label is no whole number from 0 to 65535.
        PermissionError: it may not be read.
    """
    with _in_the_users_words():
        voxels = _voxels(path, None)
        low, high = voxels.min(), voxels.max()
        if not 0 <= low <= high <= MOST_LABEL:  # nor NaN
            wrong = low if not low >= 0 else high
            raise BadVolume(f"holds the label {wrong:g}, not one from 0 to {MOST_LABEL}")
        whole = voxels.astype(np.uint8 if high <= 255 else np.uint16)
        if voxels.dtype.kind == "f" and not np.array_equal(whole, voxels):
            wrong = voxels[whole != voxels][0]
            raise BadVolume(f"holds the label {wrong:g}, which is no whole number")
        return np.ascontiguousarray(whole)


def _open(path: Path) -> Any:
    """The array of an npy file, mapped, or an image of nibabel."""
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise BadVolume(f"is none of {', '.join(SUFFIXES)}")
    if name.endswith(".npy"):
        # unlike np.load, this takes neither pickles nor archives for arrays
        return np.lib.format.open_memmap(path, mode="r")
    image = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):  # NIfTI-2 is a subclass
        raise BadVolume(f"is a {type(image).__name__}, no NIfTI volume")
    return image


def _voxels(path: Path, dtype: type[np.float32] | None) -> npt.NDArray[Any]:
    opened = _open(path)
    if isinstance(opened, np.ndarray):
        sides = _checked_sides(opened.shape, opened.dtype)
        return np.asarray(opened, dtype=dtype).reshape(sides)
    sides = _checked_sides(opened.shape, opened.get_data_dtype())
    stored = (
        np.asarray(opened.dataobj) if dtype is None else opened.get_fdata(dtype=dtype, caching="unchanged")
    )
    turned: npt.NDArray[Any] = nib.apply_orientation(stored.reshape(sides), _turn(opened))
    return turned.transpose()


def _turn(image: nib.Nifti1Image) -> npt.NDArray[np.float64]:
    """For each axis of a file where it goes and whether it is flipped, (3, 2), as nibabel has it."""
    turn: npt.NDArray[np.float64] = nib.io_orientation(image.affine)
    if np.isnan(turn).any():
        raise BadVolume("has an affine that maps an axis to nothing")
    return turn


def _checked_sides(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Sides:
    sides = shape
    if len(sides) == 4 and 1 in (sides[0], sides[-1]):
        sides = sides[1:] if sides[0] == 1 else sides[:-1]
    if len(sides) != 3:
        raise BadVolume(f"is of shape {shape}, not of three dimensions")
    if min(sides) < 1:
        raise BadVolume(f"is of shape {shape}, which holds nothing")
    if dtype.kind not in "biuf":
        raise BadVolume(f"holds {dtype}, not plain numbers")
    voxels = sides[0] * sides[1] * sides[2]
    if voxels > MOST_VOXELS:
        raise BadVolume(f"is of shape {shape}: {voxels:,} voxels, more than {MOST_VOXELS:,}")
    return sides[0], sides[1], sides[2]


def _turned(sides: Sides, turn: npt.NDArray[np.float64]) -> Sides:
    """The sides after `nib.apply_orientation`: row i of the turn tells where axis i goes."""
    result = [0, 0, 0]
    for side, axis in zip(sides, turn[:, 0].astype(int).tolist(), strict=True):
        result[axis] = side
    return result[0], result[1], result[2]

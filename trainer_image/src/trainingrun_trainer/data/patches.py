"""Which part of a volume is trained on, and how it is mirrored: functions of arrays and random numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.errors import BadConfig

FOREGROUND_SHARE = 0.5
"""Patches that are centred on foreground, on average. Foreground is often a thousandth of a volume."""
PLACES = 1000
"""Voxels of each class that are kept as centres. More would hardly change what is seen in a run."""
ABSENT = -1

Sides = tuple[int, int, int]
Places = npt.NDArray[np.int32]
"""Flat indices of some voxels of each foreground class, (classes - 1, PLACES), or ABSENT."""


def places(voxels: npt.NDArray[np.int32], random: np.random.Generator) -> Places:
    """PLACES of some voxels, drawn with replacement."""
    if not len(voxels):
        return np.full(PLACES, ABSENT, dtype=np.int32)
    return voxels[random.integers(len(voxels), size=PLACES)]


def start(shape: Sides, patch: Sides, foreground: Places, random: torch.Generator) -> Sides:
    """The first voxel of a patch: negative along an axis where the volume is smaller, which is padded evenly.

    With probability FOREGROUND_SHARE the patch is centred on a voxel of a foreground class, as far as the
    volume's border allows, each class that the volume has with the same probability; else it lies anywhere.
    nnU-Net samples alike (Isensee et al., Nature Methods 18, 2021).
    """
    centred, which, place, *anywhere = torch.rand(6, generator=random, dtype=torch.float64).tolist()
    present = foreground[foreground[:, 0] != ABSENT]
    if centred < FOREGROUND_SHARE and len(present):
        row = present[int(which * len(present))]
        center = np.unravel_index(int(row[int(place * PLACES)]), shape)
        first = [int(middle) - side // 2 for middle, side in zip(center, patch, strict=True)]
    else:
        first = [
            int(share * (length - side + 1))
            for share, length, side in zip(anywhere, shape, patch, strict=True)
        ]
    depth, height, width = (
        min(max(begin, 0), length - side) if length >= side else -((side - length) // 2)
        for begin, length, side in zip(first, shape, patch, strict=True)
    )
    return depth, height, width


def window(
    shape: Sequence[int], first: Sequence[int], patch: Sequence[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a patch lies in a volume, and where that part lies in the patch, which may reach beyond."""
    of_volume, of_patch = [], []
    for length, begin, side in zip(shape, first, patch, strict=True):
        low, high = max(begin, 0), min(begin + side, length)
        of_volume.append(slice(low, high))
        of_patch.append(slice(low - begin, high - begin))
    return tuple(of_volume), tuple(of_patch)


def check_augmentation(config: AugmentationConfig, patch: Sides) -> None:
    """Refuse what is not done to volumes.

    Raises:
        BadConfig: names the field.
    """
    done = {"horizontal_flip", "vertical_flip", "rotate90", "probability"}
    for name, field in type(config).model_fields.items():
        if name not in done and getattr(config, name):
            raise BadConfig(
                f"augmentation.{field.alias or name} is not for volumes (data.dimensions 3)",
                "Set it to 0. Volumes have horizontalFlip, verticalFlip and rotate90.",
            )
    if config.rotate90 and patch[1] != patch[2]:
        raise BadConfig(
            f"augmentation.rotate90 turns height into width, but data.patchSize is {list(patch)}",
            "Give data.patchSize the same height and width, or set rotate90 to 0.",
        )


def mirror(
    arrays: Sequence[npt.NDArray[Any]], config: AugmentationConfig, random: torch.Generator
) -> list[npt.NDArray[Any]]:
    """Views of arrays, (depth, height, width), all flipped and turned alike within their slices."""
    width, height, turn, quarters = torch.rand(4, generator=random, dtype=torch.float64).tolist()
    changed = list(arrays)
    if width < config.horizontal_flip:
        changed = [array[:, :, ::-1] for array in changed]
    if height < config.vertical_flip:
        changed = [array[:, ::-1] for array in changed]
    if turn < config.rotate90:
        changed = [np.rot90(array, 1 + int(3 * quarters), axes=(1, 2)) for array in changed]
    return changed

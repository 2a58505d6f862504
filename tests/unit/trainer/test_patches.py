"""Patches lie in their volume, show foreground half of the time, and depend on their random numbers alone."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainingrun_api.training import AugmentationConfig
from trainingrun_trainer.data import patches
from trainingrun_trainer.data.sampler import generator
from trainingrun_trainer.errors import BadConfig

NOWHERE = np.full((2, patches.PLACES), patches.ABSENT, dtype=np.int32)

sides = st.tuples(*[st.integers(1, 12)] * 3)


def at(*voxels: tuple[int, int, int], shape: tuple[int, int, int]) -> patches.Places:
    """Places of classes, each with one voxel."""
    flat = [int(np.ravel_multi_index(voxel, shape)) for voxel in voxels]
    return np.repeat(np.array(flat, dtype=np.int32)[:, None], patches.PLACES, axis=1)


@given(sides, sides, st.integers(0, 2**32 - 1), st.booleans())
def test_a_patch_shows_all_that_it_can_of_a_volume(
    shape: tuple[int, int, int], patch: tuple[int, int, int], seed: int, some: bool
) -> None:
    foreground = at((shape[0] - 1, 0, shape[2] // 2), shape=shape) if some else NOWHERE
    first = patches.start(shape, patch, foreground, generator(seed))
    there, here = patches.window(shape, first, patch)
    for length, side, inside, of_patch in zip(shape, patch, there, here, strict=True):
        assert inside.stop - inside.start == min(length, side)
        assert 0 <= inside.start <= inside.stop <= length
        padding = side - (of_patch.stop - of_patch.start)
        assert of_patch.start == padding // 2
    assert patches.start(shape, patch, foreground, generator(seed)) == first


def test_half_of_the_patches_are_centred_on_foreground_each_class_alike() -> None:
    shape, patch = (40, 40, 40), (8, 8, 8)
    voxels = ((10, 20, 30), (30, 10, 20))
    foreground = np.concatenate([at(*voxels, shape=shape), NOWHERE])
    starts = [patches.start(shape, patch, foreground, generator(1, number)) for number in range(2000)]
    shares = [
        sum(first == tuple(middle - 4 for middle in voxel) for first in starts) / 2000 for voxel in voxels
    ]
    assert shares == pytest.approx([0.25, 0.25], abs=0.03)


def test_other_patches_lie_anywhere_with_the_same_probability() -> None:
    starts = [patches.start((5, 4, 4), (4, 4, 4), NOWHERE, generator(2, number)) for number in range(1000)]
    assert set(starts) == {(0, 0, 0), (1, 0, 0)}
    assert starts.count((0, 0, 0)) == pytest.approx(500, abs=60)


def test_places_are_voxels_of_the_class() -> None:
    voxels = np.array([3, 5, 8], dtype=np.int32)
    found = patches.places(voxels, np.random.default_rng(0))
    assert found.shape == (patches.PLACES,)
    assert set(found.tolist()) == {3, 5, 8}
    assert set(patches.places(voxels[:0], np.random.default_rng(0)).tolist()) == {patches.ABSENT}


def mirrored(config: dict[str, float], seed: int = 0) -> npt.NDArray[Any]:
    (result,) = patches.mirror([CUBE], AugmentationConfig.model_validate(config), generator(seed))
    return result


CUBE = np.arange(27).reshape(3, 3, 3)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, CUBE),
        ({"horizontalFlip": 1}, CUBE[:, :, ::-1]),
        ({"verticalFlip": 1}, CUBE[:, ::-1]),
        ({"horizontalFlip": 1, "verticalFlip": 1}, CUBE[:, ::-1, ::-1]),
    ],
)
def test_flips_stay_within_slices(config: dict[str, float], expected: npt.NDArray[Any]) -> None:
    assert np.array_equal(mirrored(config), expected)


def test_quarter_turns_are_one_to_three() -> None:
    turns = [np.rot90(CUBE, quarters, axes=(1, 2)) for quarters in (1, 2, 3)]
    found = [mirrored({"rotate90": 1}, seed) for seed in range(40)]
    assert all(any(np.array_equal(one, turn) for turn in turns) for one in found)
    assert all(any(np.array_equal(one, turn) for one in found) for turn in turns)


def test_all_arrays_turn_alike() -> None:
    config = AugmentationConfig.model_validate({"horizontalFlip": 0.5, "verticalFlip": 0.5, "rotate90": 0.5})
    for seed in range(20):
        one, other = patches.mirror([CUBE, -CUBE], config, generator(seed))
        assert np.array_equal(one, -other)


@pytest.mark.parametrize(
    ("config", "patch", "said"),
    [
        ({"rotateDegrees": 10}, (8, 8, 8), "augmentation.rotateDegrees is not for volumes"),
        ({"noiseVariance": 10}, (8, 8, 8), "augmentation.noiseVariance is not for volumes"),
        ({"blur": 3}, (8, 8, 8), "augmentation.blur is not for volumes"),
        ({"rotate90": 0.5}, (8, 8, 16), r"augmentation.rotate90 .* data.patchSize is \[8, 8, 16\]"),
    ],
)
def test_what_is_not_done_to_volumes_is_refused(
    config: dict[str, float], patch: tuple[int, int, int], said: str
) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        patches.check_augmentation(AugmentationConfig.model_validate(config), patch)
    assert refused.value.advice


def test_what_is_done_to_volumes_is_taken() -> None:
    config = {"horizontalFlip": 0.5, "verticalFlip": 1, "rotate90": 0.1, "probability": 0.5}
    patches.check_augmentation(AugmentationConfig.model_validate(config), (4, 8, 8))


def test_random_numbers_of_a_patch_are_drawn_in_a_fixed_order() -> None:
    """Augmentation draws after the place, so that one changes without the other."""
    one, other = generator(3), generator(3)
    patches.start((9, 9, 9), (4, 4, 4), NOWHERE, one)
    patches.start((9, 9, 9), (4, 4, 4), at((8, 8, 8), shape=(9, 9, 9)), other)
    assert torch.equal(one.get_state(), other.get_state())

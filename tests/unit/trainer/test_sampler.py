"""Ranks share each epoch evenly, without gap or overlap, and any batch can be had again."""

import itertools

import pytest
import torch

from trainingrun_trainer.data.sampler import EvaluationBatches, TrainBatches, generator


def epoch_of(
    indices: range, batch_size: int, world_size: int, epoch: int
) -> list[list[list[tuple[int, int]]]]:
    return [
        list(TrainBatches(indices, batch_size, seed=42, rank=rank, world_size=world_size, epoch=epoch))
        for rank in range(world_size)
    ]


@pytest.mark.parametrize(
    ("images", "batch_size", "world_size"),
    [(100, 10, 1), (100, 10, 4), (103, 10, 4), (7, 4, 3), (33, 32, 1), (65, 16, 2), (5, 8, 5)],
)
def test_ranks_take_equal_steps_over_disjoint_images(images: int, batch_size: int, world_size: int) -> None:
    ranks = epoch_of(range(images), batch_size, world_size, epoch=3)
    shapes = {tuple(len(batch) for batch in batches) for batches in ranks}
    assert len(shapes) == 1
    assert max(*shapes.pop(), 0) <= batch_size

    keys = [key for batches in ranks for batch in batches for key in batch]
    assert {epoch for epoch, _ in keys} == {3}
    seen = [index for _, index in keys]
    assert len(set(seen)) == len(seen)
    # a remainder of fewer than world_size images, and at most one lone image of each rank
    assert images - len(seen) < 2 * world_size


def test_no_image_sits_out_every_epoch() -> None:
    seen = {
        index
        for epoch in range(5)
        for ranks in epoch_of(range(11), 4, 4, epoch)
        for b in ranks
        for _, index in b
    }
    assert seen == set(range(11))


def test_epochs_differ_and_come_again() -> None:
    batches = TrainBatches(range(50), 8, seed=42, rank=0, world_size=2)
    first, second = list(batches), list(batches)
    assert [[index for _, index in batch] for batch in first] != [[index for _, index in b] for b in second]
    assert list(TrainBatches(range(50), 8, seed=42, rank=0, world_size=2, epoch=1)) == second
    assert list(TrainBatches(range(50), 8, seed=42, rank=0, world_size=2, epoch=1, start=2)) == second[2:]


@pytest.mark.parametrize(("images", "batch_size", "world_size"), [(100, 32, 1), (101, 8, 4), (4, 8, 4)])
def test_evaluation_sees_each_image_once(images: int, batch_size: int, world_size: int) -> None:
    samplers = [
        EvaluationBatches(range(images), batch_size, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for sampler in samplers:
        assert len(sampler) == len(list(sampler))
    seen = [index for sampler in samplers for batch in sampler for _, index in batch]
    assert sorted(seen) == list(range(images))


def test_every_key_has_random_numbers_of_its_own() -> None:
    keys = list(itertools.product((42, 43), range(20), range(20)))
    draws = {tuple(torch.rand(4, generator=generator(*key)).tolist()) for key in keys}
    assert len(draws) == len(keys)

"""Ranks share each epoch evenly, without gap or overlap, and any batch can be had again."""

import itertools

import pytest
import torch

from trainingrun_trainer.data.sampler import EvaluationBatches, Position, TrainBatches, generator


def epoch_of(
    indices: range, batch_size: int, world_size: int, epoch: int
) -> list[list[list[tuple[int, int]]]]:
    return [
        list(
            TrainBatches(
                indices, batch_size, seed=42, rank=rank, world_size=world_size, start=Position(epoch)
            )
        )
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
    first, again = list(batches), list(batches)
    assert first == again
    batches.sampler.set_epoch(1)
    second = list(batches)
    assert [[index for _, index in batch] for batch in first] != [[index for _, index in b] for b in second]
    assert list(TrainBatches(range(50), 8, seed=42, rank=0, world_size=2, start=Position(1))) == second


@pytest.mark.parametrize(
    ("images", "batch_size", "world_size"),
    [(100, 10, 1), (103, 10, 4), (7, 4, 3), (33, 32, 1), (65, 16, 2), (5, 1, 2), (34, 16, 2), (18, 8, 1)],
)
def test_an_epoch_goes_on_after_any_batch(images: int, batch_size: int, world_size: int) -> None:
    def ranks(start: Position) -> list[TrainBatches]:
        return [
            TrainBatches(range(images), batch_size, seed=42, rank=rank, world_size=world_size, start=start)
            for rank in range(world_size)
        ]

    whole = [list(batches) for batches in ranks(Position(3))]
    for done in range(len(whole[0]) + 1):
        position = ranks(Position(3))[0].position(3, done)
        for batches, epoch in zip(ranks(position), whole, strict=True):
            assert batches.taken(position) == done
            assert list(batches) == epoch[done:]
            # counted on from where this attempt began
            assert batches.position(3, len(batches)) == ranks(Position(3))[0].position(3, len(batches))
            assert batches.position(4, 0) == Position(4)


def test_the_epoch_after_an_unfinished_one_is_whole() -> None:
    batches = TrainBatches(range(10), 5, seed=42, rank=0, world_size=1, start=Position(2, 5))
    assert len(list(batches)) == 1
    batches.set_epoch(3)
    assert list(batches) == list(TrainBatches(range(10), 5, seed=42, rank=0, world_size=1, start=Position(3)))


@pytest.mark.parametrize("images", [64, 103, 33, 200])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (4, 3), (3, 4), (1, 5)])
def test_another_number_of_ranks_takes_what_is_left(images: int, before: int, after: int) -> None:
    def ranks(world_size: int, start: Position) -> list[TrainBatches]:
        return [
            TrainBatches(range(images), 8, seed=42, rank=rank, world_size=world_size, start=start)
            for rank in range(world_size)
        ]

    first = ranks(before, Position(1))
    for done in range(len(first[0]) + 1):
        position = first[0].position(1, done)
        taken = [
            index
            for batches in ranks(before, Position(1))
            for batch in list(batches)[:done]
            for _, index in batch
        ]
        rest = [list(batches) for batches in ranks(after, position)]
        assert len({len(batches) for batches in rest}) == 1
        assert len(rest[0]) == len(ranks(after, position)[0]) - ranks(after, position)[0].taken(position)
        left = [index for batches in rest for batch in batches for _, index in batch]
        assert not set(taken) & set(left)
        assert len(set(left)) == len(left)
        # a remainder of fewer than the ranks, and at most one lone image of each
        assert images - len(taken) - len(left) < 2 * max(before, after) + after


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

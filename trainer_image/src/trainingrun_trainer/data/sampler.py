"""Which images each rank sees, in which batches: a pure function of (seed, epoch, rank).

Keys carry the epoch, so that a data set can derive an image's augmentation from (seed, epoch, index) alone.
Nothing depends on how far an iterator ran before, which makes a restart exact.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

Key = tuple[int, int]
"""(epoch, index of an image)"""


class TrainBatches(Sampler[list[Key]]):
    """Batches of one rank: each epoch another permutation, cut evenly between the ranks.

    Every rank must take the same number of equal steps, or the gradients of DDP do not meet. So up to
    world_size - 1 images, other ones each epoch, sit an epoch out; likewise an image that would be a last
    batch of its own, on which batch normalization cannot train.
    """

    def __init__(
        self,
        indices: Sequence[int],
        batch_size: int,
        *,
        seed: int,
        rank: int,
        world_size: int,
        epoch: int = 0,
        start: int = 0,
    ) -> None:
        """Batches of `epoch` from batch `start` on; each further iteration is the next whole epoch."""
        self._indices = torch.as_tensor(indices, dtype=torch.int64)
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self.epoch = epoch
        self._start = start
        share = len(indices) // world_size
        alone = batch_size > 1 and share > 1 and share % batch_size == 1
        self._share = share - 1 if alone else share

    def __len__(self) -> int:
        return -(-self._share // self._batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, start = self.epoch, self._start
        self.epoch, self._start = epoch + 1, 0
        order = torch.randperm(len(self._indices), generator=generator(self._seed, epoch))
        mine = self._indices[order][self._rank :: self._world_size][: self._share].tolist()
        for batch in range(start, len(self)):
            yield [
                (epoch, index) for index in mine[batch * self._batch_size : (batch + 1) * self._batch_size]
            ]


class EvaluationBatches(Sampler[list[Key]]):
    """Batches of one rank in a fixed order; over all ranks each image once, so that scores are exact."""

    def __init__(self, indices: Sequence[int], batch_size: int, *, rank: int, world_size: int) -> None:
        self._mine = list(indices)[rank::world_size]
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._mine) // self._batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(0, len(self._mine), self._batch_size):
            yield [(0, index) for index in self._mine[start : start + self._batch_size]]


def generator(*key: int) -> torch.Generator:
    """Random numbers of one (seed, epoch, ...) and no other: the words are mixed into 63 bits."""
    state = 0
    for word in key:
        state = (state ^ (word & 0xFFFFFFFF)) * 0x9E3779B97F4A7C15 % 2**64
        state ^= state >> 29
    return torch.Generator().manual_seed(state >> 1)

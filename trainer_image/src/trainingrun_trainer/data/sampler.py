"""Which images each rank sees, in which batches: a pure function of (seed, epoch, rank).

Keys carry the epoch, so that a data set can derive an image's augmentation from (seed, epoch, index) alone.
Nothing depends on how far an iterator ran before, which makes a restart exact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Sampler

Key = tuple[int, int]
"""(epoch, index of an image)"""


@dataclass(frozen=True)
class Position:
    """How far training came: so many epochs are over, and so many images of the next one were taken by all
    ranks together."""

    epoch: int = 0
    images: int = 0


class TrainBatches(Sampler[list[Key]]):
    """Batches of one rank: each epoch another permutation, cut evenly between the ranks.

    Every rank must take the same number of equal steps, or the gradients of DDP do not meet. So up to
    world_size - 1 images, other ones each epoch, sit an epoch out; likewise an image that would be a last
    batch of its own, on which batch normalization cannot train.

    What is left of an epoch is cut in the same way, also for another number of ranks than took its beginning.
    """

    def __init__(
        self,
        indices: Sequence[int],
        batch_size: int,
        *,
        seed: int,
        rank: int,
        world_size: int,
        start: Position = Position(),
    ) -> None:
        """Batches from a position on; `set_epoch` leads to whole epochs."""
        self._indices = torch.as_tensor(indices, dtype=torch.int64)
        self._batch_size = batch_size
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._start = start
        self._epoch = start.epoch

    @property
    def sampler(self) -> "TrainBatches":
        """Where Lightning looks for `set_epoch`, which it calls before it iterates over an epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be of this epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self._batches(Position())

    def __iter__(self) -> Iterator[list[Key]]:
        position = self._beginning(self._epoch)
        order = torch.randperm(len(self._indices), generator=generator(self._seed, position.epoch))
        mine = self._indices[order][position.images :][self._rank :: self._world_size]
        keys = [(position.epoch, index) for index in mine[: self._share(position)].tolist()]
        for first in range(0, len(keys), self._batch_size):
            yield keys[first : first + self._batch_size]

    def taken(self, position: Position) -> int:
        """Batches of an epoch that lie before a position, of as many as this number of ranks would take."""
        return len(self) - self._batches(position)

    def position(self, epoch: int, batches: int) -> Position:
        """Where training is after some batches of an epoch, those before the start included."""
        start = self._beginning(epoch)
        share = min((batches - self.taken(start)) * self._batch_size, self._share(start))
        return Position(epoch, start.images + share * self._world_size)

    def _beginning(self, epoch: int) -> Position:
        return self._start if self._start.epoch == epoch else Position(epoch)

    def _batches(self, position: Position) -> int:
        return -(-self._share(position) // self._batch_size)

    def _share(self, position: Position) -> int:
        """Images that each rank takes from a position to the end of its epoch."""
        share = (len(self._indices) - position.images) // self._world_size
        alone = self._batch_size > 1 and share % self._batch_size == 1 and (share > 1 or position.images > 0)
        return share - 1 if alone else share


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

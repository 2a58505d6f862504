"""Where this process stands among all ranks, and the few things that ranks decide together."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from trainingrun_trainer.errors import TrainerError

T = TypeVar("T")

WORK_TIMEOUT = timedelta(hours=24)
"""Longest work that others wait for. torch's own 30 minutes, which hold in training, are too short to prepare
data."""


@dataclass(frozen=True)
class Ranks:
    """This process among all of them, as torchrun's environment says."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Ranks":
        """Read torchrun's variables; without them this is the only process."""
        return cls(
            rank=int(environment.get("RANK", "0")),
            local_rank=int(environment.get("LOCAL_RANK", "0")),
            world_size=int(environment.get("WORLD_SIZE", "1")),
            local_world_size=int(environment.get("LOCAL_WORLD_SIZE", "1")),
        )

    @property
    def nodes(self) -> int:
        """Pods that train together."""
        return self.world_size // self.local_world_size

    @property
    def node(self) -> int:
        """The pod of this process."""
        return self.rank // self.local_world_size


@contextmanager
def process_group(ranks: Ranks, accelerator: str) -> Iterator[None]:
    """All ranks in one group: gloo for CPU tensors and, on GPUs, nccl for CUDA tensors.

    Lightning finds the group and uses it. It is destroyed only after success: a group with a dead peer may
    never come down.
    """
    if ranks.world_size == 1:
        yield
        return
    if accelerator == "gpu":
        torch.cuda.set_device(ranks.local_rank)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if accelerator == "gpu" else "gloo")
    yield
    distributed.destroy_process_group()


def leave(exit_code: int) -> None:
    """End the process now where it is one of a group, whose threads could hang or abort the interpreter's
    end."""
    if distributed.is_available() and distributed.is_initialized():
        os._exit(exit_code)


def on_each_node(ranks: Ranks, work: Callable[[], T]) -> list[T]:
    """Do work on the first rank of each node, and give every rank the results of all nodes.

    Raises:
        TrainerError: on every rank alike, where the work of any node raised one.
    """
    outcome: T | TrainerError | None = None
    if ranks.local_rank == 0:
        try:
            outcome = work()
        except TrainerError as error:
            outcome = error
    outcomes: list[T | TrainerError | None] = [outcome]
    if ranks.world_size > 1:
        outcomes *= ranks.world_size
        patient: Any = distributed.new_group(backend="gloo", timeout=WORK_TIMEOUT)
        distributed.all_gather_object(outcomes, outcome, group=patient)
        distributed.destroy_process_group(patient)
    results = []
    for result in outcomes[:: ranks.local_world_size]:
        if isinstance(result, TrainerError):
            raise result
        assert result is not None
        results.append(result)
    return results


def any_rank(flag: bool) -> bool:
    """Whether the flag is set on any rank; every rank must ask at the same point."""
    if not distributed.is_initialized():
        return flag
    votes = torch.tensor(int(flag))
    distributed.all_reduce(votes, op=distributed.ReduceOp.MAX)
    return bool(votes.item())


def broadcast(tensors: Iterable[torch.Tensor]) -> None:
    """Overwrite tensors by those of rank 0; every rank must give the same shapes in the same order."""
    if distributed.is_initialized():
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)

"""Where this process stands among all ranks, and the few things that ranks decide together."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import Any, TypeVar, cast

import torch
from torch import distributed

from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted, TrainerError

T = TypeVar("T")

WORK_TIMEOUT = timedelta(hours=24)
"""Longest work of rank 0 that others wait for. torch's own 30 minutes hold in training."""
MEETING_SECONDS = 0.5
"""Between two meetings of the ranks while some of them work."""


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


def leave(exit_code: int) -> None:
    """End the process now where it is one of a group, whose threads could hang or abort the interpreter's
    end."""
    if distributed.is_available() and distributed.is_initialized():
        os._exit(exit_code)


def on_each_node(
    ranks: Ranks,
    work: Callable[[Callable[[], None]], T],
    beat: Callable[[], None],
    stopped: Callable[[], bool],
) -> list[T]:
    """Do work on the first rank of each node, and give every rank the results of all nodes.

    The work goes on in a thread, and all ranks meet again and again until it is done everywhere. So they all
    beat as long as the work of any node moves, and all stop soon after any was told to.

    Args:
        ranks: this process among all.
        work: is given a function to call whenever it moves.
        beat: called whenever the work of any node moved.
        stopped: whether this process was told to stop.

    Raises:
        TrainerError: on every rank alike, where the work of any node raised one.
        Interrupted: on every rank alike, where any was told to stop.
    """
    if ranks.world_size == 1:
        return [work(beat)]
    moved = Event()
    job = ThreadPoolExecutor(1).submit(_outcome, lambda: work(moved.set)) if ranks.local_rank == 0 else None
    outcome: Any = None
    pending = True
    while pending:
        if job and wait([job], MEETING_SECONDS).done:
            outcome = job.result()
            job = None
            moved.set()
        pending, anything_moved, stop = any_rank(job is not None, moved.is_set(), stopped())
        moved.clear()
        if anything_moved:
            beat()
        if stop:
            raise Interrupted("stopped by SIGTERM", STOPPED_ADVICE)
    outcomes: list[Any] = [None] * ranks.world_size
    distributed.all_gather_object(outcomes, outcome)
    return [_result(each) for each in outcomes[:: ranks.local_world_size]]


def on_rank_0(ranks: Ranks, work: Callable[[], T]) -> T:
    """Do work on rank 0, and give every rank its result.

    Raises:
        TrainerError: on every rank alike, where the work raised one.
    """
    outcomes: list[Any] = [_outcome(work) if ranks.rank == 0 else None]
    if ranks.world_size > 1:
        with _patient_group() as group:
            distributed.broadcast_object_list(outcomes, src=0, group=group, device=torch.device("cpu"))
    return cast(T, _result(outcomes[0]))


@contextmanager
def _patient_group() -> Iterator[Any]:
    group: Any = distributed.new_group(backend="gloo", timeout=WORK_TIMEOUT)
    yield group
    distributed.destroy_process_group(group)


def _outcome(work: Callable[[], T]) -> T | TrainerError:
    try:
        return work()
    except TrainerError as error:
        return error


def _result(outcome: T | TrainerError) -> T:
    if isinstance(outcome, TrainerError):
        raise outcome
    return outcome


def any_rank(*flags: bool) -> list[bool]:
    """For each flag whether any rank set it; every rank must ask at the same point."""
    if not distributed.is_initialized():
        return list(flags)
    votes = torch.tensor([int(flag) for flag in flags])
    distributed.all_reduce(votes, op=distributed.ReduceOp.MAX)
    return [bool(vote) for vote in votes.tolist()]


def of_all_ranks(tensors: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """Small tensors of every rank, by rank, on the CPU; names, shapes and types must be the same on all."""
    mine = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    if not distributed.is_initialized():
        return [{name: tensor.clone() for name, tensor in mine.items()}]
    everybody: list[dict[str, torch.Tensor]] = [{} for _ in range(distributed.get_world_size())]
    for name, tensor in mine.items():
        gathered = [torch.empty_like(tensor) for _ in everybody]
        distributed.all_gather(gathered, tensor)
        for state, value in zip(everybody, gathered, strict=True):
            state[name] = value
    return everybody


def objects_of_all_ranks(mine: T) -> list[T]:
    """What every rank gives, by rank; every rank must ask at the same point."""
    if not distributed.is_initialized():
        return [mine]
    everybody: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everybody, mine)
    return everybody


def broadcast(tensors: Iterable[torch.Tensor]) -> None:
    """Overwrite tensors by those of rank 0; every rank must give the same shapes in the same order."""
    if distributed.is_initialized():
        for tensor in tensors:
            distributed.broadcast(tensor, src=0)

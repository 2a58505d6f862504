"""How the ranks become one group. SIGTERM to any of them ends all before that, and waits for a vote later.

Joining waits in C++ for every rank, where no Python handler runs. A rank that left alone while others join
would leave them waiting until their launcher kills them. So each says that it is here, and one decision is
made once for all: to join, when everybody is here, or to stop.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep

import torch
from torch import distributed
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted
from trainingrun_trainer.interruption import StopSignal

TIMEOUT = timedelta(minutes=30)
"""torch's own for a group to come about."""
PAUSE_SECONDS = 0.02
JOIN, STOP = "join", "stop"
_DECISION = "trainingrun/decision"


@contextmanager
def process_group(ranks: Ranks, accelerator: str, stop: StopSignal) -> Iterator[None]:
    """All ranks in one group: gloo for CPU tensors and, on GPUs, nccl for CUDA tensors. From here on a
    lone process heeds SIGTERM at once, and ranks vote.

    Lightning finds the group and uses it. It is destroyed only after success: a group with a dead peer may
    never come down.

    Raises:
        Interrupted: on every rank alike, where any was told to stop before all were here.
        torch.distributed.DistStoreError: some did not come within `TIMEOUT`.
    """
    if ranks.world_size == 1:
        stop.install(deferred=False)
        yield
        return
    if accelerator == "gpu":
        torch.cuda.set_device(ranks.local_rank)
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    # Only now: until here this rank can leave alone, and SIGTERM's default action ends it even inside of C++.
    stop.install(deferred=True)
    meet(store, ranks, stop)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if accelerator == "gpu" else "gloo",
        store=store,
        rank=ranks.rank,
        world_size=ranks.world_size,
    )
    yield
    distributed.destroy_process_group()


def meet(store: Store, ranks: Ranks, stop: StopSignal, timeout: timedelta = TIMEOUT) -> None:
    """Wait until all ranks are here, or one was told to stop; raises as `process_group` does."""
    store.set(_here(ranks.rank), "")
    everybody = [_here(rank) for rank in range(ranks.world_size)]
    deadline = monotonic() + timeout.total_seconds()
    while not stop.received and not store.check(everybody):
        if monotonic() > deadline:
            store.wait(everybody, timedelta(milliseconds=1))  # whose error names the ranks that are missing
        sleep(PAUSE_SECONDS)
    # the first decision stands
    decision = store.compare_set(_DECISION, "", STOP if stop.received else JOIN)
    if decision.decode() == STOP:
        raise Interrupted("stopped by SIGTERM", STOPPED_ADVICE)


def _here(rank: int) -> str:
    return f"trainingrun/here/{rank}"

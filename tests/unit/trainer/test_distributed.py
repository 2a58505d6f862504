"""What ranks decide together, by two real processes.

The ranks of all cases are forked off a process that has imported torch once, and go side by side: they mostly
wait.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier, Event

import pytest
import torch
from torch import distributed

from trainingrun_api.names import EXIT_INTERRUPTED
from trainingrun_trainer.distributed import Ranks, leave, on_each_node
from trainingrun_trainer.errors import BadData, Interrupted, describe
from trainingrun_trainer.interruption import StopSignal

FORKS = multiprocessing.get_context("forkserver")
PATIENCE = 120.0
GROUP_TIMEOUT = timedelta(seconds=3)

Work = Callable[[Callable[[], None]], int]


class Rank:
    """This process as one of two, in a group that soon gives up."""

    def __init__(self, number: int, rendezvous: str, done: Event) -> None:
        self.number = number
        self.done = done
        """Set by either of the two."""
        self.beats = 0
        distributed.init_process_group("gloo", rendezvous, GROUP_TIMEOUT, rank=number, world_size=2)
        self._stop = StopSignal()
        self._stop.install(deferred=True)

    def together(self, work: Work) -> list[int]:
        return on_each_node(
            Ranks(rank=self.number, world_size=2), work, self._beat, lambda: self._stop.received
        )

    def _beat(self) -> None:
        self.beats += 1


def slow_work(rank: Rank) -> None:
    def work(beat: Callable[[], None]) -> int:
        for _ in range(6 * rank.number):
            time.sleep(1)
            beat()
        return rank.number

    assert rank.together(work) == [0, 1]
    # six movements of the other rank, and an end each
    assert rank.beats >= 4, rank.beats


def hung_work(rank: Rank) -> None:
    def work(beat: Callable[[], None]) -> int:
        time.sleep(6 * rank.number)
        return rank.number

    assert rank.together(work) == [0, 1]
    assert rank.beats <= 2, rank.beats


def failed_work(rank: Rank) -> None:
    def work(beat: Callable[[], None]) -> int:
        if rank.number:
            raise BadData("row 7", "Fill it.")
        return rank.number

    with pytest.raises(BadData, match="row 7"):
        rank.together(work)


def stopped_work(rank: Rank) -> None:
    def work(beat: Callable[[], None]) -> int:
        if rank.number:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait()
        return rank.number

    with pytest.raises(Interrupted) as raised:
        rank.together(work)
    leave(raised.value.exit_code)


def hung_collective(rank: Rank) -> None:
    if rank.number:
        rank.done.wait()
        return
    with pytest.raises(RuntimeError) as raised:
        distributed.all_reduce(torch.ones(1))
    assert describe(raised.value).type == "NcclTimeout", raised.value
    rank.done.set()


CASES: dict[str, tuple[Callable[[Rank], None], int]] = {
    "work may take longer than ranks wait in training, and all beat while it moves": (slow_work, 0),
    "work that does not move is not covered up": (hung_work, 0),
    "an error reaches all ranks": (failed_work, 0),
    "SIGTERM reaches all ranks, whatever the work does": (stopped_work, EXIT_INTERRUPTED),
    "a collective that hangs is told from a lost peer": (hung_collective, 0),
}


def be(case: Callable[[Rank], None], number: int, rendezvous: str, both: Barrier, done: Event) -> None:
    both.wait(PATIENCE)  # before the group's few seconds count
    case(Rank(number, rendezvous, done))
    leave(0)  # threads of a group that is still there may abort the interpreter's end


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[ForkServerProcess]]]:
    """The ranks of each case, started."""
    FORKS.set_forkserver_preload([__name__])
    started: dict[str, list[ForkServerProcess]] = {}
    # they are gone with the last reference in this process
    shared = {name: (FORKS.Barrier(2), FORKS.Event()) for name in CASES}
    for name, (case, _) in CASES.items():
        rendezvous = f"file://{tmp_path_factory.mktemp('ranks')}/rendezvous"
        both, done = shared[name]
        started[name] = [
            FORKS.Process(target=be, args=(case, number, rendezvous, both, done)) for number in (0, 1)
        ]
        for process in started[name]:
            process.start()
    yield started
    for process in chain.from_iterable(started.values()):
        process.kill()
        process.join()


@pytest.mark.parametrize("case", CASES)
def test_two_ranks(pairs: dict[str, list[ForkServerProcess]], case: str) -> None:
    _, code = CASES[case]
    for process in pairs[case]:
        process.join(PATIENCE)
    assert [process.exitcode for process in pairs[case]] == [code, code]

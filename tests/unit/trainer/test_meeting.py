"""One decision for all ranks, whoever is told to stop and when. Threads play the ranks, over a real store."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from time import sleep

import pytest
from torch.distributed import DistStoreError, TCPStore  # type: ignore[attr-defined]

from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import Interrupted
from trainingrun_trainer.interruption import StopSignal
from trainingrun_trainer.meeting import meet, process_group

SIZE = 3
PATIENCE = 30.0


class Gang:
    """Ranks that come to a store of their own, each when it is told to."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.stops = [StopSignal() for _ in range(SIZE)]

    def come(self, rank: int, timeout: timedelta = timedelta(seconds=PATIENCE)) -> "Future[None]":
        store = TCPStore("127.0.0.1", self._server.port, is_master=False)
        return self._threads.submit(meet, store, Ranks(rank=rank, world_size=SIZE), self.stops[rank], timeout)


@pytest.fixture
def gang() -> Iterator[Gang]:
    with ThreadPoolExecutor(SIZE) as threads:
        yield Gang(threads)


def none_is_told(gang: Gang) -> list["Future[None]"]:
    return [gang.come(rank) for rank in range(SIZE)]


def told_before_it_comes(gang: Gang) -> list["Future[None]"]:
    gang.stops[1].received = True
    told = gang.come(1)
    told.exception(PATIENCE)
    return [gang.come(0), told, gang.come(2)]


def told_while_it_waits(gang: Gang) -> list["Future[None]"]:
    first = gang.come(0)
    gang.stops[0].received = True
    assert isinstance(first.exception(PATIENCE), Interrupted)
    return [first, gang.come(1), gang.come(2)]


def told_after_all_joined(gang: Gang) -> list["Future[None]"]:
    ranks = none_is_told(gang)
    for rank in ranks:
        rank.result(PATIENCE)
    gang.stops[2].received = True
    return ranks


@pytest.mark.parametrize(
    ("story", "joined"),
    [
        (none_is_told, True),
        (told_before_it_comes, False),
        (told_while_it_waits, False),
        (told_after_all_joined, True),
    ],
)
def test_all_ranks_join_or_none(
    gang: Gang, story: Callable[[Gang], list["Future[None]"]], joined: bool
) -> None:
    assert [rank.exception(PATIENCE) is None for rank in story(gang)] == [joined] * SIZE


@pytest.mark.parametrize("pause", [0.0, 0.005, 0.01, 0.02, 0.03, 0.04])
def test_a_signal_at_the_moment_of_joining_divides_no_ranks(gang: Gang, pause: float) -> None:
    """The pauses lie around that of the ranks' own questions."""
    ranks = none_is_told(gang)
    sleep(pause)
    gang.stops[1].received = True
    assert len({rank.exception(PATIENCE) is None for rank in ranks}) == 1


def test_who_waits_for_an_absent_rank_gives_up(gang: Gang) -> None:
    waiting = [gang.come(rank, timedelta(seconds=0.1)) for rank in (0, 2)]
    for rank in waiting:
        assert isinstance(rank.exception(PATIENCE), DistStoreError)


def test_a_lone_process_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(Interrupted), process_group(Ranks(), "cpu", StopSignal()):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

"""Which key comes when, told by a clock that the test moves."""

import asyncio

import pytest

from trainingrun_operator.observed import Key
from trainingrun_operator.workqueue import Backoff, Priority, WorkQueue

A, B, C = ("ns", "a"), ("ns", "b"), ("ns", "c")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock, Backoff(first=1, longest=8))


def drain(queue: WorkQueue) -> list[Key]:
    """All keys that are due, each given back at once."""
    found = []
    while (key := queue.take()) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_keys_come_in_order_and_once(queue: WorkQueue) -> None:
    for key in (A, B, A, C, B):
        queue.add(key)
    assert queue.depth == 3
    assert drain(queue) == [A, B, C]
    assert queue.depth == 0


def test_a_key_is_with_one_worker_at_a_time_and_comes_again_where_it_was_added_meanwhile(
    queue: WorkQueue,
) -> None:
    queue.add(A)
    assert queue.take() == A
    queue.add(A)
    queue.add(A)
    assert queue.take() is None
    queue.done(A)
    assert drain(queue) == [A]


def test_a_delayed_key_comes_when_it_is_due(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A, delay=10)
    assert drain(queue) == []
    clock.now += 9.9
    assert drain(queue) == []
    clock.now += 0.1
    assert drain(queue) == [A]


@pytest.mark.parametrize("delays", [(10, 0), (0, 10), (10, 0, 5)])
def test_the_sooner_wish_wins_and_is_the_only_one(
    queue: WorkQueue, clock: Clock, delays: tuple[int, ...]
) -> None:
    for delay in delays:
        queue.add(A, delay)
    assert drain(queue) == [A]
    clock.now += 100
    assert drain(queue) == []


def test_ended_runs_come_first(queue: WorkQueue) -> None:
    queue.add(A)
    queue.add(B)
    queue.add(C, priority=Priority.ENDED)
    queue.add(B, priority=Priority.ENDED)
    assert drain(queue) == [C, B, A]


def test_an_ended_run_stays_urgent_where_it_is_added_again(queue: WorkQueue) -> None:
    queue.add(A)
    queue.add(B, priority=Priority.ENDED)
    queue.add(B)
    assert drain(queue) == [B, A]


def test_a_key_can_be_wanted_again(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    queue.take()
    queue.done(A, again_after=5)
    assert queue.take() is None
    clock.now += 5
    assert queue.take() == A


def test_failures_come_back_after_growing_pauses_until_a_success(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    pauses = []
    for _ in range(6):
        assert queue.take() == A
        pauses.append(queue.failed(A))
        assert queue.take() is None
        clock.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 8, 8]
    assert queue.take() == A
    queue.done(A)
    queue.add(A)
    queue.take()
    assert queue.failed(A) == 1


def test_forgetting_a_key_forgets_its_failures(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    queue.take()
    queue.failed(A)
    queue.forget(A)
    clock.now += 1
    queue.take()
    assert queue.failed(A) == 1


def test_a_pause_is_bounded_however_many_failures_there_are() -> None:
    assert Backoff(1, 60).seconds(100_000) == 60


def test_news_interrupts_the_pause_after_a_failure(queue: WorkQueue) -> None:
    queue.add(A)
    queue.take()
    queue.failed(A)
    queue.add(A)
    assert drain(queue) == [A]


def test_the_longest_work_is_that_of_the_slowest_worker(queue: WorkQueue, clock: Clock) -> None:
    assert queue.longest_work() == 0
    for key in (A, B):
        queue.add(key)
        queue.take()
        clock.now += 7
    assert queue.longest_work() == 14
    queue.done(A)
    assert queue.longest_work() == 7


def test_a_run_that_ended_and_is_to_be_looked_at_again_stays_ahead_of_others(
    queue: WorkQueue, clock: Clock
) -> None:
    queue.add(A)
    queue.take()
    queue.add(B)
    queue.done(A, 1.0, Priority.ENDED)
    clock.now += 1
    assert drain(queue) == [A, B]


def test_waiting_workers_get_what_comes_and_what_falls_due() -> None:
    async def scenario() -> list[Key]:
        queue = WorkQueue(asyncio.get_running_loop().time)
        queue.add(B, delay=0.05)
        asyncio.get_running_loop().call_later(0.01, queue.add, A)
        return [await asyncio.wait_for(queue.get(), 5), await asyncio.wait_for(queue.get(), 5)]

    assert asyncio.run(scenario()) == [A, B]


def test_a_worker_that_is_busy_leaves_what_falls_due_to_another() -> None:
    async def scenario() -> list[Key]:
        queue = WorkQueue(asyncio.get_running_loop().time)
        waiting = [asyncio.create_task(queue.get()) for _ in range(2)]
        await asyncio.sleep(0)
        for key, delay in ((A, 0.01), (B, 0.03)):
            queue.add(key, delay)
        return [await asyncio.wait_for(worker, 5) for worker in waiting]  # neither asks again

    assert asyncio.run(scenario()) == [A, B]


def test_a_worker_that_is_cancelled_passes_its_call_on() -> None:
    async def scenario() -> Key:
        queue = WorkQueue(asyncio.get_running_loop().time)
        first, second = (asyncio.create_task(queue.get()) for _ in range(2))
        await asyncio.sleep(0)
        queue.add(A)
        first.cancel()
        return await asyncio.wait_for(second, 5)

    assert asyncio.run(scenario()) == A


def test_no_key_is_lost_between_many_workers() -> None:
    async def scenario() -> list[Key]:
        queue = WorkQueue(asyncio.get_running_loop().time)
        seen: list[Key] = []

        async def work() -> None:
            while True:
                key = await queue.get()
                await asyncio.sleep(0)
                seen.append(key)
                queue.done(key)

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            workers = [group.create_task(work()) for _ in range(8)]
            for number in range(200):
                queue.add(("ns", str(number)), delay=number % 5 / 100)
                if number % 20 == 0:
                    await asyncio.sleep(0)
            while len(seen) < 200:
                await asyncio.sleep(0.01)
            for worker in workers:
                worker.cancel()
        return seen

    seen = asyncio.run(scenario())
    assert sorted(seen) == sorted(("ns", str(number)) for number in range(200))


def test_wishes_that_lie_far_ahead_take_no_more_room_when_they_are_renewed(
    queue: WorkQueue, clock: Clock
) -> None:
    """A finished run waits a week for its deletion, and every resync looks at it."""
    week = 7 * 86400
    for _ in range(1000):
        for key in (A, B):
            queue.add(key)
            assert queue.take() == key
            queue.done(key, again_after=week)
        clock.now += 300
    assert len(queue._delayed) < 100
    clock.now += week
    assert drain(queue) == [A, B]

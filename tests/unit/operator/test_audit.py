"""The index is compared with the truth, and ghosts in it are not shown again."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.operator.builders import NAME, UID, at, raw_job, raw_pod, run
from tests.unit.operator.memory_cluster import MemoryCluster
from trainingrun_operator.cluster import RUNS, Resource
from trainingrun_operator.errors import UnavailableError
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import job_from, pod_from
from trainingrun_operator.resync import Resync, compare
from trainingrun_operator.store import Store


@pytest.mark.parametrize(
    ("before", "listed", "after", "ghosts", "missed"),
    [
        ("a1 b1", "a1 b1", "a1 b1", set(), {}),
        ("a1 b1", "a1", "a1 b1", {"b"}, {}),
        ("a1 b1", "a1", "a1", set(), {}),
        ("a1", "a1 b1", "a1", set(), {"b": None}),
        ("a1", "a1 b1", "a1 b1", set(), {}),
        ("a1", "a1", "a1 b1", set(), {}),
        ("a1", "a2", "a1", set(), {"a": "1"}),
        ("a1", "a2", "a2", set(), {}),
        ("a1", "a2", "a3", set(), {}),
        ("a1", "a1", "a2", set(), {}),
        ("a2", "a2 b1", "a3", set(), {"b": None}),
    ],
)
def test_only_lasting_differences_count(
    before: str, listed: str, after: str, ghosts: set[str], missed: dict[str, str | None]
) -> None:
    assert compare(versions(before), versions(listed), versions(after)) == (ghosts, missed)


def versions(text: str) -> dict[str, str]:
    """Versions by UID from words such as a1: version 1 of a."""
    return {word[0]: word[1:] for word in text.split()}


def test_a_buried_ghost_is_not_shown_again() -> None:
    key = ("team", NAME)
    old, new = run(uid="old", creationTimestamp=at(-99)), run()
    job, pod = job_from(raw_job()), pod_from(raw_pod())
    informer = Informer(Store({key: [new, old]}), Store({key: [job]}), Store({key: [pod]}))
    assert informer.versions().keys() == {"old", UID, job.uid, pod.uid}
    view = informer.view(key)
    assert view is not None
    assert view.run == new
    informer.bury([UID])
    view = informer.view(key)
    assert view is not None
    assert view.run == old
    assert informer.versions() == {each.uid: each.resource_version for each in (old, job, pod)}
    informer.bury(["old", "never seen"])
    assert informer.view(key) is None
    assert informer.run_keys() == [key]


def test_the_time_before_the_first_round_could_begin_is_no_delay_of_it() -> None:
    """The operator may have waited for the API server for long."""

    async def begin() -> float:
        with ThreadPoolExecutor(1) as pool:
            resync = Resync(MemoryCluster(), Informer(), (), pool, 300, lambda _: None, lambda _: None)
            resync.last -= 10_000
            before = resync.last
            work = asyncio.create_task(resync.work())
            await asyncio.sleep(0)
            work.cancel()
            return resync.last - before

    assert asyncio.run(begin()) >= 10_000


def test_a_round_that_failed_is_a_sign_of_life_and_no_comparison() -> None:
    class Refusing(MemoryCluster):
        def list_versions(self, *_: object) -> dict[str, str]:
            raise UnavailableError("refused")

    async def fail() -> tuple[float, float]:
        with ThreadPoolExecutor(1) as pool:
            resync = Resync(Refusing(), Informer(), (), pool, 0.001, lambda _: None, lambda _: None)
            work = asyncio.create_task(resync.work())
            await asyncio.sleep(0)
            last, compared = resync.last, resync.compared
            async with asyncio.timeout(10):
                while resync.last == last:
                    await asyncio.sleep(0.001)
            work.cancel()
            return resync.last - last, resync.compared - compared

    lived, compared = asyncio.run(fail())
    assert lived > 0
    assert compared == 0


def test_the_watches_have_caught_up_once_they_brought_what_was_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An object that goes in the meantime is not waited for for ever."""
    monkeypatch.setattr("trainingrun_operator.resync.LOOK_SECONDS", 0.001)
    informer, lists = Informer(), [{"seen": "1", "gone": "1"}, {"seen": "1"}]

    class Listing(MemoryCluster):
        def list_versions(
            self, resource: Resource, namespace: str | None, selector: str = ""
        ) -> dict[str, str]:
            if resource is not RUNS:
                return {}
            return lists.pop(0) if len(lists) > 1 else lists[0]

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as pool:
            resync = Resync(Listing(), informer, (), pool, 300, lambda _: None, lambda _: None)
            catching_up = asyncio.create_task(resync.catch_up())
            await asyncio.sleep(0.05)
            assert not catching_up.done()
            informer.seen(run(uid="seen"), gone=False)
            await asyncio.wait_for(catching_up, 10)

    asyncio.run(scenario())

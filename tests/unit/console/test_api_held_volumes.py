"""Pods that fetch files: one for all pictures of a page, and never somebody else's."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from trainingrun_client.connection import Connection
from trainingrun_client.errors import TransferError
from trainingrun_client.run import TrainingRun
from trainingrun_console.api import held_volumes
from trainingrun_console.api.held_volumes import held_volume
from trainingrun_console.api.problems import Problem

NOBODY = cast(Connection, None)


def run(uid: str = "1") -> TrainingRun:
    return TrainingRun({"metadata": {"name": "chest", "namespace": "a", "uid": uid}})


class Pods:
    """Those that were started, and whether they still are there."""

    def __init__(self) -> None:
        self.started = 0
        self.open = 0

    @contextmanager
    def volume(self, *arguments: Any, **named: Any) -> Iterator[int]:
        self.started += 1
        self.open += 1
        yield self.started
        self.open -= 1


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Pods:
    found = Pods()
    monkeypatch.setattr(held_volumes, "volume_of", found.volume)
    monkeypatch.setattr(held_volumes, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(held_volumes, "_all", {})
    return found


def until_closed(pods: Pods) -> None:
    end = time.monotonic() + 5
    while pods.open and time.monotonic() < end:
        time.sleep(0.01)
    assert pods.open == 0


def test_one_pod_serves_one_request_after_the_other_and_then_goes(pods: Pods) -> None:
    for _ in range(3):
        with held_volume("anna", NOBODY, run()) as volume:
            assert cast(int, volume) == 1
    until_closed(pods)
    with held_volume("anna", NOBODY, run()):
        pass
    assert pods.started == 2
    until_closed(pods)


@pytest.mark.parametrize(("caller", "uid"), [("otto", "1"), ("anna", "2")])
def test_nobody_gets_the_pod_of_another_caller_or_run(pods: Pods, caller: str, uid: str) -> None:
    with held_volume("anna", NOBODY, run()) as first, held_volume(caller, NOBODY, run(uid)) as second:
        assert first != second
    until_closed(pods)


def test_a_pod_that_failed_is_not_used_again(pods: Pods) -> None:
    with pytest.raises(TransferError), held_volume("anna", NOBODY, run()):
        raise TransferError("the pod is gone")
    with held_volume("anna", NOBODY, run()) as volume:
        assert cast(int, volume) == 2
    until_closed(pods)


def test_there_are_only_so_many(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_volumes, "PODS", 1)
    with (
        held_volume("anna", NOBODY, run()),
        pytest.raises(Problem, match="1 pods are fetching files already"),
        held_volume("otto", NOBODY, run()),
    ):
        pass
    until_closed(pods)

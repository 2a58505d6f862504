"""The main process of a pod is there for signals and for questions before, while and after its ranks run."""

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.trainer.conftest import Ended, Launcher, Running
from tests.integration.trainer.ports import free_port
from tests.integration.trainer.test_failures import parent, wait_for_epoch, workers
from trainingrun_api import telemetry
from trainingrun_api.names import ENV_HEARTBEATS_PORT, EXIT_INTERRUPTED
from trainingrun_trainer.launch import SIGNAL_EXIT_BASE

PATIENCE = 240.0


def page(port: int) -> dict[tuple[str, ...], float]:
    """What the main process says of its ranks."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def wait_until(running: Running, holds: Callable[[], bool], pause: float = 0.05) -> None:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            if holds():
                return
        except urllib.error.URLError:
            pass
        assert running.process.poll() is None, running.wait().output
        sleep(pause)
    pytest.fail("it never came to hold")


def runs(process: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path("/proc", str(process), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def is_interrupted(running: Running) -> Ended:
    ended = running.wait(60)
    assert ended.exit_code == EXIT_INTERRUPTED, ended.output
    assert ended.message is not None
    assert ended.message.outcome == "interrupted"
    assert ended.message.error is not None
    assert ended.message.error.type == "Interrupted"
    return ended


def test_sigterm_before_torch_is_imported_ends_the_pod(
    new_launcher: Launcher, digits: dict[str, Any]
) -> None:
    port = free_port()
    running = new_launcher.launch_pods(digits, pods=1, environment={ENV_HEARTBEATS_PORT: str(port)})[0]
    wait_until(running, lambda: bool(page(port)))
    running.process.terminate()
    is_interrupted(running)


def test_sigterm_ends_a_pod_that_waits_for_another(launcher: Launcher, digits: dict[str, Any]) -> None:
    port = free_port()
    running = launcher.launch_pods(digits, pods=2, started=1, environment={"PET_MASTER_PORT": str(port)})[0]

    def torchrun_waits() -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    wait_until(running, torchrun_waits)
    running.process.terminate()
    is_interrupted(running)


def test_the_page_answers_while_all_ranks_are_stopped_and_shows_their_silence(
    launcher: Launcher, digits: dict[str, Any]
) -> None:
    port = free_port()
    running = launcher.launch(digits | {"maxEpochs": 1000}, environment={ENV_HEARTBEATS_PORT: str(port)})
    wait_for_epoch(running)
    stopped = workers(running)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    # a signal that was sent is not a process that has stopped
    wait_until(running, lambda: all(page(port)[telemetry.RANK_STOPPED, rank] for rank in "01"))
    first = page(port)
    sleep(2)  # the time in which a rank that runs takes steps
    second = page(port)
    assert first == second
    assert {key[1] for key in first if key[0] == telemetry.RANK_HEARTBEAT} == {"0", "1"}
    assert min(first[telemetry.RANK_GLOBAL_STEP, rank] for rank in "01") > 0
    for process in stopped:
        os.kill(process, signal.SIGCONT)
    wait_until(running, lambda: page(port) != second)
    running.process.terminate()
    is_interrupted(running)


def test_no_rank_outlives_an_agent_that_is_killed(launcher: Launcher, digits: dict[str, Any]) -> None:
    running = launcher.launch(digits | {"maxEpochs": 1000})
    wait_for_epoch(running)
    ranks = workers(running)
    os.kill(parent(Path("/proc", str(ranks[0]))), signal.SIGKILL)
    ended = running.wait(60)
    assert ended.exit_code == SIGNAL_EXIT_BASE + signal.SIGKILL, ended.output
    assert ended.message is not None
    assert ended.message.error is not None
    assert "SIGKILL" in ended.message.error.message
    deadline = monotonic() + PATIENCE
    while any(map(runs, ranks)):
        assert monotonic() < deadline, f"of {ranks} some train on"
        sleep(0.05)

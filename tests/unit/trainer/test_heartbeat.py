"""What a rank says of itself reaches the pod's main process, and its useful time is counted exactly."""

import signal
import socket
import struct
import subprocess
import sys
import threading
import timeit
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from time import process_time, time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.addresses import LOOPBACKS
from trainingrun_api import telemetry as names
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer import heartbeat_page
from trainingrun_trainer.heartbeat import FILE_VARIABLE, Heartbeat, Heartbeats

RANK = """
import os
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer.heartbeat import Heartbeat

heartbeat = Heartbeat.from_environment(os.environ, rank=5, local_rank=1)
heartbeat.enter(TrainerPhase.VALIDATING)
heartbeat.stepped(7)
heartbeat.saved(6)
os.kill(os.getpid(), 9)
"""

WAITING_RANK = """
import os
import sys
from trainingrun_trainer.heartbeat import Heartbeat

heartbeat = Heartbeat.from_environment(os.environ, rank=5, local_rank=1)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=LOOPBACKS)
def page(request: pytest.FixtureRequest) -> Iterator[tuple[Heartbeats, str]]:
    heartbeats = Heartbeats(range(4, 6))
    server = heartbeat_page.serve(heartbeats, 0)
    yield heartbeats, f"http://{request.param}:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()


def test_ranks_that_have_not_begun_are_starting() -> None:
    before = time()
    beats = Heartbeats(range(4, 6)).read()
    assert [(beat.rank, beat.step, beat.phase, beat.checkpoint) for beat in beats] == [
        (4, 0, TrainerPhase.STARTING, None),
        (5, 0, TrainerPhase.STARTING, None),
    ]
    assert all(before <= beat.time <= time() for beat in beats)


def test_what_a_killed_rank_did_last_can_be_read() -> None:
    heartbeats = Heartbeats(range(4, 6))
    subprocess.run([sys.executable, "-c", RANK], env={FILE_VARIABLE: heartbeats.path}, check=False)
    first, second = heartbeats.read()
    assert (first.rank, first.phase) == (4, TrainerPhase.STARTING)
    assert (second.rank, second.step, second.phase, second.checkpoint) == (5, 7, TrainerPhase.VALIDATING, 6)


def test_each_beat_moves_the_time() -> None:
    heartbeat = Heartbeat()
    times = [heartbeat.time]
    for happens in (
        heartbeat.beat,
        lambda: heartbeat.stepped(1),
        lambda: heartbeat.saved(1),
        lambda: heartbeat.enter(TrainerPhase.TRAINING),
    ):
        heartbeat.time = 0.0
        happens()
        times.append(heartbeat.time)
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_a_beat_costs_training_next_to_nothing() -> None:
    heartbeats = Heartbeats(range(1))
    heartbeat = Heartbeat.from_environment({FILE_VARIABLE: heartbeats.path}, rank=0, local_rank=0)
    seconds = timeit.repeat(lambda: heartbeat.stepped(1), number=1000, repeat=20, timer=process_time)
    assert min(seconds) / 1000 < 20e-6


def test_without_a_main_process_a_rank_beats_for_itself() -> None:
    heartbeat = Heartbeat.from_environment({}, rank=3, local_rank=1)
    heartbeat.stepped(4)
    assert heartbeat.step == 4


def test_the_page_is_prometheus_text(page: tuple[Heartbeats, str]) -> None:
    heartbeats, address = page
    rank = Heartbeat.from_environment({FILE_VARIABLE: heartbeats.path}, rank=5, local_rank=1)
    rank.enter(TrainerPhase.TRAINING)
    rank.data_wait_seconds, rank.step_seconds = 1.5, 20.25
    rank.stepped(12)
    with urllib.request.urlopen(address, timeout=60) as answer:
        content = answer.read().decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(content)
        for sample in family.samples
    }
    assert found[names.RANK_GLOBAL_STEP, "4"] == 0
    assert found[names.RANK_GLOBAL_STEP, "5"] == 12
    assert (found[names.RANK_DATA_WAIT_SECONDS, "4"], found[names.RANK_STEP_SECONDS, "4"]) == (0, 0)
    assert (found[names.RANK_DATA_WAIT_SECONDS, "5"], found[names.RANK_STEP_SECONDS, "5"]) == (1.5, 20.25)
    assert found[names.RANK_HEARTBEAT, "5"] == pytest.approx(rank.time, abs=0.001)
    assert {phase: found[names.RANK_PHASE, "5", phase] for phase in TrainerPhase} == {
        phase: float(phase is TrainerPhase.TRAINING) for phase in TrainerPhase
    }


@pytest.mark.parametrize(
    ("number", "stopped"),
    [
        pytest.param(signal.SIGCONT, {0.0}, id="alive"),
        pytest.param(signal.SIGSTOP, {1.0}, id="stopped"),
        pytest.param(signal.SIGKILL, {1.0}, id="dead"),
    ],
)
def test_a_rank_that_cannot_move_is_told_from_one_that_waits(
    page: tuple[Heartbeats, str], number: signal.Signals, stopped: set[float]
) -> None:
    heartbeats, address = page
    with subprocess.Popen(
        [sys.executable, "-c", WAITING_RANK],
        env={FILE_VARIABLE: heartbeats.path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as rank:
        assert rank.stdout is not None
        assert rank.stdout.readline() == "ready\n"
        rank.send_signal(number)
        deadline = time() + 60
        while (told := stopped_of(address, "5")) not in stopped and time() < deadline:
            pass
        assert told in stopped
        assert stopped_of(address, "4") == 0
        rank.kill()


def stopped_of(address: str, rank: str) -> float:
    """What the page says of a rank's process."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return next(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == names.RANK_STOPPED and sample.labels["rank"] == rank
    )


def test_nobody_is_told_of_an_asker_that_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    server = heartbeat_page.serve(Heartbeats(range(1)), 0)
    errors, over = [], threading.Event()
    monkeypatch.setattr(server, "handle_error", lambda *_: errors.append(sys.exception()))
    asker = socket.create_connection(("127.0.0.1", server.server_port))

    def end(request: socket.socket) -> None:
        request.close()
        over.set()

    def hang_up(beats: object) -> str:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # by a reset
        asker.close()
        return "x" * 10_000_000

    monkeypatch.setattr(server, "shutdown_request", end)
    monkeypatch.setattr(heartbeat_page, "text", hang_up)
    asker.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert over.wait(60)
    assert errors == []
    server.shutdown()
    server.server_close()


def test_useful_are_training_validation_and_testing() -> None:
    now = [100.0]
    heartbeat = Heartbeat(clock=lambda: now[0])
    useful = []
    for phase, seconds in (
        (TrainerPhase.PREPARING_DATA, 50),
        (TrainerPhase.WARMING_UP, 20),
        (TrainerPhase.TRAINING, 10),
        (TrainerPhase.CHECKPOINTING, 5),
        (TrainerPhase.TRAINING, 3),
        (TrainerPhase.VALIDATING, 2),
        (TrainerPhase.TESTING, 1),
        (TrainerPhase.FINISHED, 30),
    ):
        heartbeat.enter(phase)
        now[0] += seconds
        useful.append(heartbeat.useful_seconds)
    assert useful == [0, 0, 10, 10, 13, 15, 16, 16]


def test_useful_seconds_go_on_from_a_checkpoint_and_lost_ones_are_not_counted() -> None:
    now = [0.0]
    heartbeat = Heartbeat(clock=lambda: now[0])
    heartbeat.enter(TrainerPhase.TRAINING)
    now[0] = 10
    in_checkpoint = heartbeat.useful_seconds
    now[0] = 17  # lost: the process dies here

    later = Heartbeat(clock=lambda: now[0])
    now[0] = 30
    later.restore(in_checkpoint)
    later.enter(TrainerPhase.TRAINING)
    now[0] = 32
    assert later.useful_seconds == 12

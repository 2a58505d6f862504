"""Only our own processes are ever ended: with real processes."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.cluster.api import ClusterError
from tests.cluster.bare import processes
from tests.cluster.bare.components import Component
from tests.cluster.bare.processes import Process, identify, kill, parse_stat, running, start, wait_ready

SLEEP = Component("sleeper", ("sleep", "60"))


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records and logs of this test's own; what it started is ended."""
    monkeypatch.setattr(processes, "RECORDS", tmp_path / "processes")
    monkeypatch.setattr(processes, "LOGS", tmp_path / "log")
    yield
    kill(SLEEP.name)


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def _record(process: Process) -> None:
    processes.RECORDS.mkdir(parents=True)
    (processes.RECORDS / SLEEP.name).write_text(json.dumps(asdict(process)))


def _identity(pid: int) -> Process:
    found = identify(pid)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "state"), [("sleep", "S"), ("a b", "R"), ("a) S 1 (b", "Z"), ("(sd-pam)", "S")]
)
def test_the_start_time_is_read_whatever_the_process_is_called(name: str, state: str) -> None:
    numbers = " ".join(str(number) for number in range(4, 53))  # field n of proc(5) holds n
    assert parse_stat(f"17 ({name}) {state} {numbers}\n") == (state, 22)


def test_a_started_process_runs_in_its_own_session_until_it_is_killed() -> None:
    start(SLEEP)
    pid = json.loads((processes.RECORDS / SLEEP.name).read_text())["pid"]
    assert running(SLEEP.name)
    assert os.getsid(pid) == pid
    start(SLEEP)  # it runs already: the same one stays
    assert json.loads((processes.RECORDS / SLEEP.name).read_text())["pid"] == pid
    kill(SLEEP.name)
    assert not running(SLEEP.name)
    assert identify(pid) is None


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "an earlier one"}])
def test_a_process_that_took_over_the_pid_is_left_alone(
    stranger: "subprocess.Popen[bytes]", change: dict[str, int | str]
) -> None:
    _record(replace(_identity(stranger.pid), **change))  # type: ignore[arg-type]
    assert not running(SLEEP.name)
    kill(SLEEP.name)
    assert stranger.poll() is None


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1, "star'])
def test_a_half_written_record_counts_as_none(text: str) -> None:
    processes.RECORDS.mkdir(parents=True)
    (processes.RECORDS / SLEEP.name).write_text(text)
    assert not running(SLEEP.name)


def test_a_component_that_ends_is_reported_with_its_last_words() -> None:
    start(Component(SLEEP.name, ("sh", "-c", "echo no such flag: --x; exit 1")))
    with pytest.raises(ClusterError, match=r"(?s)sleeper ended right after its start.*no such flag: --x"):
        wait_ready(SLEEP.name, lambda: False, seconds=10)


def test_a_component_that_never_answers_is_reported() -> None:
    start(SLEEP)
    with pytest.raises(ClusterError, match="sleeper to answer"):
        wait_ready(SLEEP.name, lambda: False, seconds=0)


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(ClusterError, match="cannot start sleeper: `no-such-program` is not installed"):
        start(Component(SLEEP.name, ("no-such-program",)))

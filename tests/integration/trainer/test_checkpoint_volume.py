"""Checkpoints on a real volume: it fills up and is freed, and a late writer shares it with the next one."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.integration.trainer.conftest import Launcher, Running
from tests.integration.trainer.ports import free_port
from trainingrun_api import names, telemetry
from trainingrun_api.names import EXIT_DONE, EXIT_INTERRUPTED
from trainingrun_trainer.checkpoint_files import BEST, LAST, load
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.fence import FENCE, Fence

MEBIBYTE = 2**20
VOLUME = 40 * MEBIBYTE
CHECKPOINT = 5 * MEBIBYTE
"""More than one of the network below takes."""


@pytest.fixture
def small(digits: dict[str, Any]) -> dict[str, Any]:
    """A config of a network of which a checkpoint takes 4.6 MB."""
    digits["model"] = {"architecture": "timm/test_resnet"}
    digits["monitor"] = "val_loss"
    return digits


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own where the run directory will be."""
    path = tmp_path / "run"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME}", "tmpfs", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no file system can be mounted here: {getattr(error, 'stderr', error)}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def wait_for(running: Running, condition: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + 300
    while not condition():
        assert running.process.poll() is None, running.wait().output
        assert monotonic() < deadline, what
        sleep(0.2)


def shows(port: int, line: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return line in answer.read().decode().splitlines()
    except (urllib.error.URLError, ConnectionError):
        return False


def test_a_full_volume_that_is_freed_later_costs_nothing(
    launcher: Launcher, small: dict[str, Any], volume: Path
) -> None:
    # room for two checkpoints, of four
    filler = volume / "filler"
    filler.write_bytes(bytes(VOLUME - 2 * CHECKPOINT - MEBIBYTE))
    port = free_port()
    running = launcher.start(
        "trainingrun_trainer.__main__",
        small,
        "--metrics-port",
        str(port),
        environment={names.ENV_CHECKPOINT_STEPS: "4"},
    )
    wait_for(running, lambda: shows(port, f"{telemetry.CHECKPOINT_BLOCKED} 1.0"), "never blocked")
    filler.unlink()
    ended = running.wait()

    assert ended.exit_code == EXIT_DONE, ended.output
    metrics, results = ended.read("metrics.json"), ended.read("results.json")
    assert [entry["epoch"] for entry in metrics] == [1, 2]
    best = metrics[results["best_epoch"] - 1]
    assert load(volume / "checkpoints" / BEST)["global_step"] == best["global_step"]
    assert results["scores"]["val_loss"] == pytest.approx(best["val_loss"])
    store = CheckpointStore(volume / "checkpoints", Fence(volume / "checkpoints" / FENCE, 1))
    newest, damaged = store.newest()
    assert newest is not None
    assert (newest.path.name, newest.manifest.step, damaged) == (LAST, metrics[-1]["global_step"], [])


def test_a_late_writer_ends_and_leaves_the_next_attempt_alone(
    launcher: Launcher, small: dict[str, Any], tmp_path: Path
) -> None:
    running = launcher.start(
        "trainingrun_trainer.__main__",
        small | {"maxEpochs": 500},
        environment={names.ENV_CHECKPOINT_STEPS: "1"},
    )
    checkpoints = running.directory / "checkpoints"
    wait_for(running, (checkpoints / LAST).exists, "no checkpoint")
    Fence(checkpoints / FENCE, 2).claim()
    ended = running.wait()

    assert ended.exit_code == EXIT_INTERRUPTED, ended.output
    assert ended.message is not None
    assert ended.message.error is not None
    assert (ended.message.outcome, ended.message.error.type) == ("interrupted", "Fenced")
    assert json.loads((checkpoints / FENCE).read_text()) == {"attempt": 2}
    # it did not even write how it ended
    assert ended.read("run.json")["state"] == "running"
    newest, damaged = CheckpointStore(checkpoints, Fence(checkpoints / FENCE, 2)).newest()
    assert newest is not None
    assert (newest.path.name, damaged) == (LAST, [])

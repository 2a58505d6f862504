"""A run that cannot go on ends soon, with the exit code and the message of its cause, on every rank alike."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from tests.integration.trainer.conftest import Launcher, Running
from trainingrun_api.names import ENV_GPUS, EXIT_BAD_CONFIG, EXIT_BAD_DATA, EXIT_INTERRUPTED
from trainingrun_api.termination import PEER_LOST
from trainingrun_trainer.errors import EXIT_CRASH

MARK = "epoch 1/"


def workers(running: Running) -> list[int]:
    """Process ids of the training processes of a launcher, by rank."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            kind, _, rank = (entry / "comm").read_text().strip().partition("-")
            agent = Path("/proc", str(parent(entry)))
            if kind == "rank" and parent(agent) == running.process.pid:
                found[int(rank)] = int(entry.name)
    return [found[rank] for rank in sorted(found)]


def parent(process: Path) -> int:
    """The id of the parent of a process, given by its folder in /proc."""
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])


def wait_for_epoch(running: Running) -> None:
    """Until the first epoch is told of and saved."""
    log = running.directory / "logs" / "training.log"
    saved = running.directory / "checkpoints" / "last.manifest.json"
    deadline = monotonic() + 240
    while monotonic() < deadline:
        if saved.exists() and log.exists() and MARK in log.read_text():
            return
        assert running.process.poll() is None, running.wait().output
        sleep(0.2)
    pytest.fail("the first epoch never ended")


def test_bad_data_end_every_rank_with_the_row(
    new_launcher: Launcher, digits: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "data"
    (path / "images").mkdir(parents=True)
    (path / "metadata.csv").write_text("filename,label\na.png,1\n")
    digits["data"] |= {"format": "directory", "path": str(path)}
    ended = new_launcher.launch(digits).wait()
    assert ended.exit_code == EXIT_BAD_DATA, ended.output
    assert ended.message is not None
    assert ended.message.error is not None
    assert ended.message.error.type == "BadData"
    assert "single class '1'" in ended.message.error.message


@pytest.mark.parametrize(
    ("change", "environment", "said"),
    [
        ({"monitor": "val_speed"}, {}, "training.monitor is no metric"),
        ({"accelerator": "auto"}, {ENV_GPUS: "1"}, "no CUDA device"),
        ({"model": {"architecture": "resnet19"}}, {}, "resnet19"),
    ],
    ids=["invalid", "GPU missing", "unknown network"],
)
def test_a_bad_config_is_explained(
    launcher: Launcher, digits: dict[str, Any], change: dict[str, Any], environment: dict[str, str], said: str
) -> None:
    ended = launcher.start("trainingrun_trainer.__main__", digits | change, environment=environment).wait()
    assert ended.exit_code == EXIT_BAD_CONFIG, ended.output
    assert ended.message is not None
    assert ended.message.error is not None
    assert said in ended.message.error.message
    assert ended.message.error.advice


def test_a_run_whose_weights_explode_ends_whatever_it_monitors(
    launcher: Launcher, digits: dict[str, Any]
) -> None:
    digits |= {"monitor": "val_recall", "optimizer": {"learningRate": 10, "weightDecay": 10}, "maxEpochs": 9}
    digits["model"] = {"architecture": "resnet18"}
    ended = launcher.train(digits)
    assert ended.exit_code == EXIT_CRASH, ended.output
    assert ended.message is not None
    assert ended.message.error is not None
    assert ended.message.error.type == "Diverged"
    assert "_loss is " in ended.message.error.message


def test_a_run_directory_that_is_broken_does_not_hide_the_cause(
    launcher: Launcher, digits: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "run" / "run.json").mkdir(parents=True)
    ended = launcher.train(digits | {"monitor": "val_speed"})
    assert ended.exit_code == EXIT_BAD_CONFIG, ended.output


def test_a_pod_that_nobody_joins_says_so(launcher: Launcher, digits: dict[str, Any]) -> None:
    alone = launcher.launch_pods(digits, pods=2, started=1, environment={"PET_RDZV_CONF": "timeout=5"})[
        0
    ].wait()
    assert alone.exit_code == EXIT_CRASH, alone.output
    assert alone.message is not None
    assert alone.message.error is not None
    assert alone.message.error.type == PEER_LOST


def test_a_killed_rank_is_the_cause_and_not_the_one_that_noticed(
    launcher: Launcher, digits: dict[str, Any]
) -> None:
    running = launcher.launch(digits | {"maxEpochs": 1000})
    wait_for_epoch(running)
    os.kill(workers(running)[1], signal.SIGKILL)
    ended = running.wait(120)
    assert ended.exit_code == 128 + signal.SIGKILL, ended.output
    assert ended.message is not None
    assert ended.message.error is not None
    assert (ended.message.rank, ended.message.error.type) == (1, "SIGKILL")
    assert ended.message.global_step is not None
    assert ended.message.checkpoint is not None
    assert ended.message.global_step >= ended.message.checkpoint.step > 0
    assert ended.read("metrics.json")


def test_a_pod_that_lost_another_says_so(launcher: Launcher, digits: dict[str, Any]) -> None:
    survivor, victim = launcher.launch_pods(digits | {"maxEpochs": 1000}, pods=2)
    wait_for_epoch(survivor)
    os.kill(workers(victim)[0], signal.SIGKILL)
    cause, echo = victim.wait(120), survivor.wait(120)
    assert cause.exit_code == 128 + signal.SIGKILL, cause.output
    assert echo.exit_code == EXIT_CRASH, echo.output
    assert echo.message is not None
    assert echo.message.error is not None
    assert echo.message.error.type == PEER_LOST


@pytest.mark.parametrize("whom", ["launcher", "one rank"])
def test_sigterm_ends_all_ranks_at_once_with_a_checkpoint(
    new_launcher: Launcher, digits: dict[str, Any], whom: str
) -> None:
    running = new_launcher.launch(digits | {"maxEpochs": 1000})
    wait_for_epoch(running)
    os.kill(running.process.pid if whom == "launcher" else workers(running)[1], signal.SIGTERM)
    started = monotonic()
    ended = running.wait(120)
    assert ended.exit_code == EXIT_INTERRUPTED, ended.output
    assert monotonic() - started < 25, "torchrun had to kill the workers"
    assert ended.message is not None
    assert ended.message.outcome == "interrupted"
    assert ended.message.epochs == len(ended.read("metrics.json"))
    assert ended.read("run.json")["state"] == "interrupted"
    manifest = ended.read("checkpoints/last.manifest.json")
    assert manifest["step"] > 0
    assert manifest["epoch"] == len(ended.read("metrics.json"))

"""SIGTERM, at whatever moment and to whichever process, ends all ranks soon, with what they learned saved."""

import os
import signal
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.trainer.conftest import Launcher
from tests.integration.trainer.ports import free_port
from tests.integration.trainer.test_failures import wait_for_epoch, workers
from tests.integration.trainer.test_launch import is_interrupted, page, wait_until
from trainingrun_api import telemetry
from trainingrun_api.names import ENV_HEARTBEATS_PORT
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer import samples

SOON = 25.0
"""Seconds; after 30 torchrun kills its workers."""
DONE = (TrainerPhase.REPORTING, TrainerPhase.FINISHED)
"""The results are written; test_finishing.py stops a run that reports."""
WHOM = [
    *((phase, "one rank") for phase in TrainerPhase if phase not in DONE),
    # test_failures.py does the same in training
    (TrainerPhase.PREPARING_DATA, "the launcher"),
    (TrainerPhase.VALIDATING, "the launcher"),
]


@pytest.fixture(scope="module")
def many_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough of them that with a network of some size each phase lasts for some tenths of a second."""
    path = tmp_path_factory.mktemp("digits") / "digits.zip"
    samples.write_zip(samples.digits(), path)
    return path


@pytest.mark.parametrize(("phase", "whom"), WHOM)
def test_sigterm_ends_all_ranks_soon(
    launcher: Launcher, digits: dict[str, Any], many_digits: Path, phase: TrainerPhase, whom: str
) -> None:
    data = digits["data"] | {"path": str(many_digits), "validationSplit": 0.3, "testSplit": 0.3}
    port = free_port()
    running = launcher.launch(
        digits
        | {
            "data": data,
            "model": {"architecture": "resnet18"},
            "maxEpochs": 1 if phase is TrainerPhase.TESTING else 100,
        },
        environment={ENV_HEARTBEATS_PORT: str(port)},
    )
    # only rank 0 writes
    rank = "0" if phase is TrainerPhase.CHECKPOINTING else "1"
    wait_until(
        running,
        lambda: page(port)[telemetry.RANK_PHASE, rank, phase] == 1 and len(workers(running)) == 2,
        pause=0.01,
    )
    os.kill(running.process.pid if whom == "the launcher" else workers(running)[1], signal.SIGTERM)
    sent = monotonic()
    ended = is_interrupted(running)
    assert monotonic() - sent < SOON, "torchrun had to kill the workers"
    if phase in (TrainerPhase.TRAINING, TrainerPhase.VALIDATING, TrainerPhase.TESTING):
        assert ended.message is not None
        assert ended.message.checkpoint is not None
        assert ended.message.checkpoint.step == ended.read("checkpoints/last.manifest.json")["step"] > 0


def test_sigterm_to_one_pod_stops_all_pods_at_the_same_step(
    launcher: Launcher, digits: dict[str, Any]
) -> None:
    """The loaders of the pod get the signal too, and must live until the last step is taken."""
    config = digits | {"maxEpochs": 1000, "data": digits["data"] | {"numWorkers": 1}}
    first, second = launcher.launch_pods(config, pods=2)
    wait_for_epoch(first)
    second.process.terminate()
    ended = [is_interrupted(pod) for pod in (first, second)]
    steps = {pod.message and pod.message.global_step for pod in ended}
    assert steps == {ended[0].read("checkpoints/last.manifest.json")["step"]}


def test_sigterm_ends_a_process_without_a_launcher_and_its_loaders(
    new_launcher: Launcher, digits: dict[str, Any]
) -> None:
    """Loaders that live on keep the output open, for whose end `is_interrupted` waits."""
    config = digits | {"maxEpochs": 1000, "data": digits["data"] | {"numWorkers": 1}}
    running = new_launcher.start("trainingrun_trainer.__main__", config)
    wait_for_epoch(running)
    running.process.terminate()
    is_interrupted(running)

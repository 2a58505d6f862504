"""Small data sets, and the trainer's programs as processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer import preloaded
from tests.integration.trainer.ports import free_port
from tests.integration.trainer.preloaded import Forked
from trainingrun_api import names
from trainingrun_api.termination import TerminationMessage
from trainingrun_trainer import samples

DIGITS = 360
XRAYS = 240
IMAGE = "registry.example/trainer:1"


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    exit_code: int
    output: str
    directory: Path
    message: TerminationMessage | None

    def read(self, name: str) -> Any:
        """A JSON file of the run directory."""
        return json.loads((self.directory / name).read_text())


@dataclass
class Running:
    """A run under way."""

    process: "subprocess.Popen[str] | Forked"
    directory: Path
    termination_log: Path

    def wait(self, seconds: float = 300) -> Ended:
        """Wait for the end."""
        output, _ = self.process.communicate(timeout=seconds)
        text = self.termination_log.read_text() if self.termination_log.exists() else ""
        return Ended(self.process.returncode, output, self.directory, TerminationMessage.decode(text))


class Launcher:
    """Starts `trainingrun-launch` and `trainingrun-train` as processes, and ends what is left.

    A launcher, or a rank without one, is forked with all imports done where it need not be new. The ranks of
    a launcher are its own forks, as everywhere.
    """

    def __init__(self, directory: Path, *, new: bool) -> None:
        self._directory = directory
        self._new = new
        self._started: list[Running] = []

    def start(
        self,
        program: str,
        config: Mapping[str, Any],
        *options: str,
        node: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Running:
        """Start one of the programs on a config."""
        file = self._directory / "config.json"
        file.write_text(json.dumps(config))
        directory = self._directory / "run"
        termination_log = self._directory / f"termination-{node}"
        arguments = ["--config", str(file), "--run-dir", str(directory), *options]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TRAININGRUN_")},
            names.ENV_TERMINATION_LOG: str(termination_log),
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        process = (
            _new_process(program, arguments, environment)
            if self._new
            else Forked(
                preloaded.call_main,
                program,
                *arguments,
                environment=environment,
                output=self._directory / f"output-{len(self._started)}",
            )
        )
        running = Running(process, directory, termination_log)
        self._started.append(running)
        return running

    def train(self, config: Mapping[str, Any], *options: str) -> Ended:
        """One process, to its end."""
        return self.start("trainingrun_trainer.__main__", config, *options).wait()

    def launch(
        self, config: Mapping[str, Any], processes: int = 2, environment: Mapping[str, str] | None = None
    ) -> Running:
        """A pod's main process with some workers."""
        return self.start(
            "trainingrun_trainer.launch",
            config,
            environment={"PET_NPROC_PER_NODE": str(processes), **(environment or {})},
        )

    def launch_pods(
        self,
        config: Mapping[str, Any],
        pods: int,
        *,
        started: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[Running]:
        """The main processes of some pods with one worker each, in the environment that the operator sets.

        Of all pods only the first `started` are started.
        """
        port = str(free_port())
        return [
            self.start(
                "trainingrun_trainer.launch",
                config,
                node=node,
                environment={
                    "PET_NNODES": str(pods),
                    "PET_NPROC_PER_NODE": "1",
                    "PET_NODE_RANK": str(node),
                    "PET_MASTER_ADDR": "127.0.0.1",
                    "PET_MASTER_PORT": port,
                    "PET_RDZV_ID": "uid-1",
                    names.ENV_IMAGE: IMAGE,
                    **(environment or {}),
                },
            )
            for node in range(pods if started is None else started)
        ]

    def end(self) -> None:
        """End what still runs."""
        for running in self._started:
            if running.process.poll() is None:
                running.process.terminate()
                running.process.communicate(timeout=60)


def _new_process(
    program: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", program, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="package", autouse=True)
def forks_end() -> Iterator[None]:
    """The tests after these need the memory."""
    yield
    preloaded.end()


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """Main processes start at once."""
    started = Launcher(tmp_path, new=False)
    yield started
    started.end()


@pytest.fixture
def new_launcher(tmp_path: Path) -> Iterator[Launcher]:
    """All processes are new ones, as people and pods start them."""
    started = Launcher(tmp_path, new=True)
    yield started
    started.end()


@pytest.fixture(scope="session")
def digits_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "digits.zip"
    samples.write_zip(islice(samples.digits(), DIGITS), path)
    return path


@pytest.fixture(scope="session")
def xray_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("xray") / "xray.zip"
    samples.write_zip(islice(samples.xray(), XRAYS), path)
    return path


@pytest.fixture
def digits(digits_zip: Path) -> dict[str, Any]:
    """A config that learns some digits in seconds."""
    return {
        "task": "classification",
        "data": {
            "format": "zip",
            "path": str(digits_zip),
            "imageSize": 32,
            "testSplit": 0.1,
            "batchSize": 16,
        },
        "model": {
            "architecture": "tests.integration.trainer.tiny_classifier:perceptron",
            "parameters": {"size": 32},
        },
        "monitor": "val_accuracy",
        "maxEpochs": 2,
        "accelerator": "cpu",
        "artifacts": {"report": False},
    }


@pytest.fixture
def xray(xray_zip: Path) -> dict[str, Any]:
    """A config that learns two classes in seconds."""
    return {
        "task": "classification",
        "data": {"format": "zip", "path": str(xray_zip), "imageSize": 32, "channels": 1, "batchSize": 16},
        "model": {"architecture": "resnet18"},
        "loss": {"classWeights": "balanced"},
        "optimizer": {"learningRate": 0.0003},
        "monitor": "val_auroc",
        "maxEpochs": 4,
        "accelerator": "cpu",
        "artifacts": {"report": False},
    }

"""The operator as a process of its own against the real API server, in a namespace of the test's own."""

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.helpers.runs import Runs
from trainingrun_operator.settings import PREFIX


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """A small image with a shell, as pods name it."""
    return cluster.load_image(build("base"))


@pytest.fixture
def runs(definition: Cluster) -> Iterator[Runs]:
    """A namespace that enforces Pod Security `restricted`."""
    name = f"operator-{uuid.uuid4().hex[:6]}"
    definition.kubectl("create", "namespace", name)
    definition.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield Runs(definition, name)
    definition.kubectl("delete", "namespace", name, "--wait=false")


@dataclass
class Operator:
    """A process that can be killed and started again."""

    environ: dict[str, str]
    log: IO[str]
    metrics_port: int
    health_port: int
    process: subprocess.Popen[str] | None = field(default=None)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trainingrun_operator"],
            env=self.environ,
            stderr=self.log,
            stdout=self.log,
            text=True,
        )

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Ends the process; its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def idle_operator(runs: Runs, tmp_path: Path) -> Iterator[Operator]:
    """An operator for the namespace, not yet started; its log is shown where the test fails."""
    metrics_port, health_port = free_port(), free_port()
    settings = {
        "TRAINER_IMAGE": "example/trainer:1",
        "NAMESPACES": runs.namespace,
        "METRICS_PORT": str(metrics_port),
        "HEALTH_PORT": str(health_port),
        "LOG_FORMAT": "text",
        "LOG_LEVEL": "DEBUG",
        "PROGRESS_SECONDS": "2",
        "RESYNC_SECONDS": "5",
    }
    environ = {**os.environ, "KUBECONFIG": str(runs.cluster.kubeconfig)}
    environ |= {PREFIX + name: value for name, value in settings.items()}
    path = tmp_path / "operator.log"
    with path.open("w", encoding="utf-8") as log:
        operator = Operator(environ, log, metrics_port, health_port)
        yield operator
        if operator.process and operator.process.poll() is None:
            operator.kill(signal.SIGTERM)
    print(path.read_text(encoding="utf-8"))


@pytest.fixture
def operator(idle_operator: Operator) -> Operator:
    """A running operator."""
    idle_operator.start()
    return idle_operator

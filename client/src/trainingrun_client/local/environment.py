"""The environment of a launcher on this machine: the operator's own, for one node that holds all ranks."""

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from trainingrun_api import TrainingRunSpec, names
from trainingrun_client.local.state import Files
from trainingrun_operator.desired.torchrun_env import torchrun_env
from trainingrun_operator.observed import Run

LAUNCHER = "trainingrun_trainer.launch"
LOOPBACK = "127.0.0.1"


def command(files: Files) -> list[str]:
    """What a pod runs."""
    options = ["--config", str(files.config), "--run-dir", str(files.directory)]
    return [sys.executable, "-m", LAUNCHER, *options]


def environment(
    run: Run, spec: TrainingRunSpec, attempt: int, files: Files, ports: tuple[int, int]
) -> dict[str, str]:
    """This process's environment, and over it what the operator gives to a pod.

    GPUs are counted only where the run requests none: here it takes those that show.

    Args:
        run: names and UID.
        spec: of the run; its nodes become processes of one node.
        attempt: its number.
        files: of the run.
        ports: of torchrun's master and of the metrics.
    """
    master, metrics = ports
    one_node = spec.model_copy(
        update={"nodes": 1, "processes_per_node": spec.nodes * spec.local_world_size, "training": None}
    )
    given = {
        each["name"]: each["value"]
        for each in torchrun_env(run, one_node, attempt, spec.image)
        if "value" in each
    }
    given |= {
        "PET_NODE_RANK": "0",
        "PET_MASTER_ADDR": LOOPBACK,
        "PET_MASTER_PORT": str(master),
        names.ENV_METRICS_PORT: str(metrics),
        names.ENV_METRICS_ADDRESS: LOOPBACK,
        names.ENV_RUN_DIR: str(files.directory),
        names.ENV_TERMINATION_LOG: str(files.termination(attempt)),
    }
    del given[names.ENV_HEARTBEATS_PORT]
    if spec.resources.gpus:
        del given[names.ENV_GPUS]
    own = {name: value for name, value in os.environ.items() if not _is_reserved(name)}
    return {**own, **given}


def shows_gpu() -> bool:
    """Whether the driver of a GPU is here; torch, which takes seconds to import, asks it again."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def free_ports() -> tuple[int, int]:
    """Two ports that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        first, second = (int(each.getsockname()[1]) for each in sockets)
    return first, second


def _is_reserved(name: str) -> bool:
    return name.startswith(names.RESERVED_ENV_PREFIXES) or name in names.RESERVED_ENV_NAMES

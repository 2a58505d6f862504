"""On what to train: GPU or CPU, with which numbers, with how many threads. Decided, never guessed
silently."""

import math
import os
from pathlib import Path
from typing import Literal

from trainingrun_trainer.errors import BadConfig

Accelerator = Literal["gpu", "cpu"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]

CGROUP_V2_LIMIT = Path("/sys/fs/cgroup/cpu.max")
CGROUP_V1_DIRECTORY = Path("/sys/fs/cgroup/cpu")
THREADS_VARIABLE = "OMP_NUM_THREADS"
"""How a user or torchrun sets the compute threads of a process; torch reads it by itself."""
MOST_WORKERS = 8
"""More loader processes than this for each training process only cost memory."""


def choose_accelerator(
    wanted: str, *, gpus_requested: int | None, cuda_devices: int, local_world_size: int
) -> Accelerator:
    """The accelerator for config field `accelerator`.

    Args:
        wanted: auto, gpu or cpu.
        gpus_requested: GPUs that the pod requested; None outside of a pod, where auto takes what shows.
        cuda_devices: CUDA devices that torch sees.
        local_world_size: training processes on this node, each of which needs a device of its own.

    Raises:
        BadConfig: GPUs were asked for, and too few can be seen.
    """
    gpus = cuda_devices if gpus_requested is None else gpus_requested
    if wanted == "cpu" or (wanted == "auto" and gpus == 0):
        return "cpu"
    if cuda_devices == 0:
        asked = (
            "accelerator is gpu"
            if wanted == "gpu"
            else f"accelerator is auto and {gpus_requested} GPUs are requested"
        )
        raise BadConfig(
            f"{asked}, but no CUDA device can be seen",
            "Check the node's GPU driver and device plugin, or set training.accelerator to cpu.",
        )
    if cuda_devices < local_world_size:
        raise BadConfig(
            f"{local_world_size} processes on this node share {cuda_devices} CUDA devices",
            "Set processesPerNode to the number of GPUs, or request more GPUs.",
        )
    return "gpu"


def choose_precision(wanted: str, accelerator: Accelerator, *, bf16: bool) -> Precision:
    """The precision for config field `precision`; bf16 says whether the device supports it.

    Raises:
        BadConfig: 16-mixed on a CPU.
    """
    match wanted, accelerator:
        case "auto", "gpu":
            return "bf16-mixed" if bf16 else "32-true"
        case "auto", _:
            return "32-true"
        case "16-mixed", "cpu":
            raise BadConfig("precision 16-mixed needs a GPU", "Set precision to auto, 32-true or bf16-mixed.")
        case "16-mixed", _:
            return "16-mixed"
        case "bf16-mixed", _:
            return "bf16-mixed"
        case _:
            return "32-true"


def cpu_limit() -> float:
    """CPU cores that this container may use."""
    available = float(len(os.sched_getaffinity(0)))
    return min(available, _cgroup_limit() or available)


def _cgroup_limit() -> float | None:
    if CGROUP_V2_LIMIT.exists():
        return parse_cgroup_limit(*CGROUP_V2_LIMIT.read_text().split())
    quota, period = (CGROUP_V1_DIRECTORY / name for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    if quota.exists() and period.exists():
        return parse_cgroup_limit(quota.read_text(), period.read_text())
    return None


def parse_cgroup_limit(quota: str, period: str) -> float | None:
    """Cores that a cgroup grants, or None where it sets no limit ("max" in version 2, negative in version
    1)."""
    if quota == "max" or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def threads(cpus: float, local_world_size: int) -> int:
    """Compute threads of one training process."""
    return max(1, math.floor(cpus / local_world_size))


def loader_workers(wanted: int | None, cpus: float, local_world_size: int) -> int:
    """Loader processes of one training process: what is wanted, or the cores that training itself leaves."""
    if wanted is not None:
        return wanted
    return min(MOST_WORKERS, threads(cpus, local_world_size) - 1)

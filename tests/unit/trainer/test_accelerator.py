"""A GPU that was asked for and does not show is an error, never a silent run on the CPU."""

import pytest

from trainingrun_trainer import accelerator
from trainingrun_trainer.errors import BadConfig


@pytest.mark.parametrize(
    ("wanted", "requested", "devices", "processes", "chosen"),
    [
        ("auto", 0, 0, 1, "cpu"),
        ("auto", 1, 1, 1, "gpu"),
        ("auto", 0, 8, 1, "cpu"),
        ("auto", None, 0, 1, "cpu"),
        ("auto", None, 8, 1, "gpu"),
        ("auto", 4, 4, 4, "gpu"),
        ("gpu", 0, 1, 1, "gpu"),
        ("cpu", 1, 0, 1, "cpu"),
        ("cpu", 1, 1, 1, "cpu"),
    ],
)
def test_the_accelerator_is_the_one_asked_for(
    wanted: str, requested: int | None, devices: int, processes: int, chosen: str
) -> None:
    found = accelerator.choose_accelerator(
        wanted, gpus_requested=requested, cuda_devices=devices, local_world_size=processes
    )
    assert found == chosen


@pytest.mark.parametrize(
    ("wanted", "requested", "devices", "processes", "said"),
    [
        ("auto", 2, 0, 1, "2 GPUs are requested, but no CUDA device"),
        ("gpu", 0, 0, 1, "accelerator is gpu, but no CUDA device"),
        ("auto", 1, 1, 2, "2 processes on this node share 1 CUDA devices"),
    ],
)
def test_a_gpu_that_does_not_show_is_an_error(
    wanted: str, requested: int, devices: int, processes: int, said: str
) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        accelerator.choose_accelerator(
            wanted, gpus_requested=requested, cuda_devices=devices, local_world_size=processes
        )
    assert refused.value.advice


@pytest.mark.parametrize(
    ("wanted", "device", "bf16", "chosen"),
    [
        ("auto", "cpu", False, "32-true"),
        ("auto", "gpu", True, "bf16-mixed"),
        ("auto", "gpu", False, "32-true"),
        ("bf16-mixed", "cpu", False, "bf16-mixed"),
        ("16-mixed", "gpu", True, "16-mixed"),
        ("32-true", "gpu", True, "32-true"),
    ],
)
def test_precision(wanted: str, device: accelerator.Accelerator, bf16: bool, chosen: str) -> None:
    assert accelerator.choose_precision(wanted, device, bf16=bf16) == chosen


def test_half_precision_on_a_cpu_is_an_error() -> None:
    with pytest.raises(BadConfig, match="16-mixed needs a GPU"):
        accelerator.choose_precision("16-mixed", "cpu", bf16=False)


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [
        ("max", "100000", None),
        ("-1", "100000", None),
        ("50000", "100000", 0.5),
        ("400000\n", "100000\n", 4.0),
    ],
)
def test_the_cpu_limit_is_read_from_either_cgroup_version(
    quota: str, period: str, cores: float | None
) -> None:
    assert accelerator.parse_cgroup_limit(quota, period) == cores


@pytest.mark.parametrize(
    ("wanted", "cpus", "processes", "threads", "workers"),
    [(None, 0.5, 1, 1, 0), (None, 2, 2, 1, 0), (None, 16, 4, 4, 3), (None, 64, 1, 64, 8), (5, 2, 1, 2, 5)],
)
def test_threads_and_workers_share_the_cores(
    wanted: int | None, cpus: float, processes: int, threads: int, workers: int
) -> None:
    assert accelerator.threads(cpus, processes) == threads
    assert accelerator.loader_workers(wanted, cpus, processes) == workers

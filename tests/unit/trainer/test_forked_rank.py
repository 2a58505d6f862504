"""Ranks are forks that torchrun takes for programs that it started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler

from trainingrun_trainer.forked_rank import ForkedRank, fork_ranks

SECONDS = 30
ENVIRONMENT = {"RANK": "3", "PATH": os.environ["PATH"]}

NO_GPU_IS_TOUCHED = """
import torch

def touched(*arguments):
    raise AssertionError("a GPU was touched at import")

torch.cuda._lazy_init = torch._C._cuda_getDeviceCount = torch.cuda.device_count = touched
torch.cuda.is_available = touched
import trainingrun_trainer.agent
from trainingrun_trainer.tasks import task
for name in ("classification", "semantic-segmentation", "object-detection", "instance-segmentation"):
    task(name)
"""


def leave(code: int | str | None) -> None:
    sys.exit(code)


def fail() -> None:
    raise ValueError("a rank's own error")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: None, 0),
        (lambda: leave(None), 0),
        (lambda: leave(65), 65),
        (lambda: leave("words"), 1),
        (fail, 1),
        (kill, -signal.SIGKILL),
    ],
    ids=["nothing", "left", "a code", "words", "an error", "a signal"],
)
def test_a_rank_ends_as_a_program_would(work: Callable[[], None], code: int) -> None:
    rank = ForkedRank(work, ENVIRONMENT)
    assert rank.wait(SECONDS) == code
    assert rank.poll() == code


def test_a_rank_has_its_own_environment_name_and_process_group(tmp_path: Path) -> None:
    def tell() -> None:
        name = Path("/proc/self/comm").read_text()
        (tmp_path / "told").write_text(f"{os.environ.get('RANK')} {len(os.environ)} {os.getpgid(0)} {name}")

    rank = ForkedRank(tell, ENVIRONMENT)
    assert rank.wait(SECONDS) == 0
    assert (tmp_path / "told").read_text() == f"3 {len(ENVIRONMENT)} {rank.pid} rank-3\n"


def test_a_signal_that_comes_at_once_ends_a_rank_and_no_handler_of_torchrun_sees_it() -> None:
    def handle(number: int, frame: object) -> None:
        os._exit(99)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        ranks = [ForkedRank(lambda: time.sleep(SECONDS), ENVIRONMENT) for _ in range(20)]
        for rank in ranks:
            os.killpg(rank.pid, signal.SIGTERM)
        assert {rank.wait(SECONDS) for rank in ranks} == {-signal.SIGTERM}
    finally:
        signal.signal(signal.SIGTERM, before)


def test_waiting_for_a_rank_has_an_end() -> None:
    rank = ForkedRank(lambda: time.sleep(SECONDS), ENVIRONMENT)
    try:
        assert rank.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            rank.wait(0.01)
    finally:
        os.killpg(rank.pid, signal.SIGKILL)
    assert rank.wait(SECONDS) == -signal.SIGKILL


def test_torchrun_forks_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method is private to torch: this breaks where it is renamed, and with it every launch."""
    monkeypatch.setattr(SubprocessHandler, "_popen", SubprocessHandler._popen)
    fork_ranks(lambda: leave(int(os.environ["LOCAL_RANK"])))
    worker: Any = SubprocessHandler(
        "python", ("-m", "nothing"), {"RANK": "5", "LOCAL_RANK": "1"}, None, None, 1, None
    )
    assert isinstance(worker.proc, ForkedRank)
    assert worker.proc.wait(SECONDS) == 1


def test_what_is_imported_before_the_fork_touches_no_gpu() -> None:
    subprocess.run([sys.executable, "-c", NO_GPU_IS_TOUCHED], check=True)

"""The process of a rank: forked off torchrun's agent, which has imported what the trainer needs.

A new interpreter would import the same again, 8 s of a processor and some hundred megabytes for each rank,
with each restart. What the agent imports must not touch a GPU: CUDA cannot be used in a process that is
forked after it began.
"""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler

from trainingrun_trainer.launch import STOPS, end_with_parent, process_name

Work = Callable[[], None]


class ForkedRank:
    """What torchrun's handler of a worker uses of subprocess.Popen."""

    def __init__(self, work: Work, environment: Mapping[str, str]) -> None:
        """Start the work in a process group of its own, with no other environment than this one."""
        # One that comes before the rank has put torchrun's handlers away must not raise torchrun's errors.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            self._process = multiprocessing.get_context("fork").Process(
                target=_become,
                args=(work, environment, before, os.getpid()),
                name=f"rank {environment['RANK']}",
            )
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        with suppress(PermissionError, ProcessLookupError):  # whoever of both comes first
            os.setpgid(self.pid, self.pid)

    def poll(self) -> int | None:
        """The exit code, -n for signal n; None before the end."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self._process.exitcode


def fork_ranks(work: Work) -> None:
    """From now on torchrun forks its workers for this work, whatever command it is given.

    Its own way to start a function, start_method, tells of one failed worker alone, by chance the echo of
    another. The patched method is private: a test watches it.
    """

    def popen(handler: SubprocessHandler, args: object, env: Mapping[str, str]) -> ForkedRank:
        return ForkedRank(work, env)

    SubprocessHandler._popen = popen  # type: ignore[method-assign,assignment]


def _become(work: Work, environment: Mapping[str, str], mask: set[signal.Signals], agent: int) -> None:
    end_with_parent(agent)
    os.setpgid(0, 0)
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.environ.clear()
    os.environ.update(environment)
    with suppress(OSError):  # for `ps` and `top`; of Linux alone
        Path("/proc/self/comm").write_text(process_name(environment["RANK"]), encoding="ascii")
    work()

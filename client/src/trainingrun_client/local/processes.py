"""Processes that outlive the client, by Linux's own means.

A process is known by its number and its start: numbers are given anew, and a signal to another process would
be the worst that this package could do.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DEAD = ("Z", "X")
"""States of a process that has ended and whose parent has not asked yet. Source: proc_pid_stat(5)."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this machine since it was booted."""

    pid: int
    began: str
    """Boot and clock tick of its start."""


def start(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a program in a session of its own, so that Ctrl-C of a terminal does not reach it.

    Raises OSError where it cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        command[0],
        command,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, _began(pid) or "")


def alive(process: Process) -> bool:
    """Whether it still runs."""
    if _began(process.pid) == process.began:
        return True
    with suppress(ChildProcessError):  # of another client
        os.waitpid(process.pid, os.WNOHANG)
    return False


def send(process: Process, number: signal.Signals) -> None:
    """Send it a signal, and never another process that has its number by now."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(process.pid)
        try:
            if _began(process.pid) == process.began:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _began(pid: int) -> str | None:
    """Boot and start of the process of that number; None where none runs."""
    try:
        state, *fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in DEAD else f"{boot}:{fields[18]}"

"""Running commands, waiting and reporting: the only things that every shell module here needs."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.api import ClusterError

TAIL_LINES = 15


def run(
    argv: Sequence[str | Path],
    *,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    Raises:
        ClusterError: the command is missing or exited non-zero; carries the end of its standard error.
    """
    command = [str(argument) for argument in argv]
    try:
        completed = subprocess.run(
            command, capture_output=True, text=True, check=False, input=input or "", env=env, cwd=cwd
        )
    except FileNotFoundError as error:
        raise ClusterError(f"`{command[0]}` is not installed: {error}") from error
    if completed.returncode != 0:
        output = (completed.stderr or completed.stdout).strip().splitlines()
        reason = "\n".join(output[-TAIL_LINES:])
        raise ClusterError(f"`{' '.join(command)}` exited {completed.returncode}: {reason}")
    return completed.stdout


def run_logged(
    argv: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a long command to its end with all of its output in a log file, which is written anew.

    Raises:
        ClusterError: the command is missing or exited non-zero; carries the end of the log and its path.
    """
    command = [str(argument) for argument in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        try:
            status = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, check=False, env=env, cwd=cwd
            ).returncode
        except FileNotFoundError as error:
            raise ClusterError(f"`{command[0]}` is not installed: {error}") from error
    if status != 0:
        raise ClusterError(f"`{' '.join(command)}` exited {status}; the end of {log}:\n{tail(log)}")


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether the command exists and exits 0."""
    try:
        run(argv)
    except ClusterError:
        return False
    return True


def wait_until(what: str, check: Callable[[], bool], *, seconds: float, every: float = 0.1) -> None:
    """Poll `check` until it holds.

    Raises:
        ClusterError: it did not hold within `seconds`, with the last ClusterError of `check` as the reason.
    """
    deadline = time.monotonic() + seconds
    reason = ""
    while True:
        try:
            if check():
                return
        except ClusterError as error:
            reason = f": {error}"
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {seconds:.0f} s for {what}{reason}")
        time.sleep(every)


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Wait for and hold a lock that every checkout on this machine takes."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tell that a step begins, and the seconds that it took; standard output stays free for results.

    Each in a line of its own, for other commands may print theirs meanwhile.
    """
    print(f"  {what} ...", flush=True, file=sys.stderr)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"  {what}: FAILED", flush=True, file=sys.stderr)
        raise
    print(f"  {what}: {time.monotonic() - started:.1f} s", flush=True, file=sys.stderr)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, or a note that there is none."""
    if not log.exists():
        return f"(no {log})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def truncate_beyond(log: Path, limit: int) -> None:
    """Empty a log that is larger than `limit` bytes."""
    if log.stat().st_size > limit:
        os.truncate(log, 0)

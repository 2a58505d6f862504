"""Starting and ending the cluster's processes, and only those.

Every process runs in a session of its own and outlives the command that started it. Its record holds the
pid with the process' start time and the machine's boot, because a pid alone may by now be someone else's.
"""

import json
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.api import ClusterError
from tests.cluster.bare.components import Component
from tests.cluster.bare.layout import LOGS, RUN
from tests.cluster.shell import tail, wait_until

RECORDS = RUN / "processes"


@dataclass(frozen=True)
class Process:
    """What identifies a process for ever: `started` is in clock ticks after `boot`."""

    pid: int
    started: int
    boot: str


def parse_stat(stat: str) -> tuple[str, int]:
    """The state letter and the start time of /proc/PID/stat; the name in it may hold spaces and brackets."""
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def identify(pid: int) -> Process | None:
    """The living process behind a pid; None when there is none, or a zombie."""
    try:
        state, started = parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if state == "Z" else Process(pid, started, boot)


def log_file(name: str) -> Path:
    """Where a component's output goes."""
    return LOGS / f"{name}.log"


def start(component: Component) -> None:
    """Start a component, unless it is running."""
    if running(component.name):
        return
    command = component.command()
    for folder in (LOGS, RECORDS):
        folder.mkdir(parents=True, exist_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log_file(component.name)), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"cannot start {component.name}: `{command[0]}` is not installed") from error
    if process := identify(pid):
        (RECORDS / component.name).write_text(json.dumps(asdict(process)))


def running(name: str) -> bool:
    """Whether the process that was started under this name still lives."""
    return _recorded(name) is not None


def wait_ready(name: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a started component answers.

    Raises:
        ClusterError: it ended, or did not answer in time; carries the end of its log.
    """
    try:
        wait_until(f"{name} to answer", lambda: not running(name) or ready(), seconds=seconds)
    except ClusterError as error:
        raise ClusterError(f"{error}\n{excerpt(name)}") from error
    if not running(name):
        raise ClusterError(f"{name} ended right after its start\n{excerpt(name)}")


def kill(*names: str) -> None:
    """SIGKILL components and wait until they are gone."""
    kill_all(process for name in names if (process := _recorded(name)))
    for name in names:
        (RECORDS / name).unlink(missing_ok=True)


def kill_all(processes: Iterable[Process]) -> None:
    """SIGKILL processes, each only if it still is the one that was meant, and wait until they are gone."""
    ending = [process for process in processes if identify(process.pid) == process]
    for process in ending:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)

    def all_ended() -> bool:
        return all(identify(process.pid) != process for process in ending)

    pids = ", ".join(str(process.pid) for process in ending)
    wait_until(f"processes {pids} to end", all_ended, seconds=20, every=0.02)
    for process in ending:
        with suppress(ChildProcessError):  # a child of this very command would stay a zombie
            os.waitpid(process.pid, os.WNOHANG)


def _recorded(name: str) -> Process | None:
    try:
        process = Process(**json.loads((RECORDS / name).read_text()))
    except (FileNotFoundError, ValueError):  # ValueError: the machine died while the record was written
        return None
    return process if identify(process.pid) == process else None


def excerpt(name: str) -> str:
    """The end of a component's log."""
    return f"--- the end of {log_file(name)}\n{tail(log_file(name))}"

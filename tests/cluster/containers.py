"""A pod's container as its node sees it: its processes, their signals, its memory and its disk.

All of it is done by commands on the node, so that it works alike where the node is this machine and where it
is a container of Docker.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import ClusterError
from tests.cluster.shell import run

OnNode = Callable[..., list[str]]
"""Makes a command one that runs on the node."""

CGROUPS = "/sys/fs/cgroup"
LIMIT_TRIES = 50
PRESSURE_MEBIBYTES = 96
"""What is allocated in a container without memory: less than a training process frees by dying."""


@dataclass(frozen=True)
class ContainerProcess:
    """One process of a container."""

    pid: int
    """On the node."""
    name: str
    """As `ps -o comm` shows it."""


@dataclass(frozen=True)
class Container:
    """A running container; every method raises ClusterError once it is gone."""

    main: int
    """Pid of its first process on the node."""
    on_node: OnNode

    def processes(self) -> list[ContainerProcess]:
        """Those that live now."""
        pids = run(self.on_node("cat", f"{self._cgroup('pids')}/cgroup.procs")).split()
        found = [self._process(int(pid)) for pid in pids]
        return [process for process in found if process is not None]

    def signal(self, number: signal.Signals, *pids: int) -> None:
        """Send a signal to processes; without any, to the main one."""
        run(self.on_node("kill", f"-{number.name.removeprefix('SIG')}", *map(str, pids or (self.main,))))

    def exhaust_memory(self, victim: int) -> None:
        """Lower the memory limit to what is in use, so that the kernel kills `victim` for memory.

        The kernel picks it because it is marked as the first to go; the pressure comes from a process that
        joins the container for a moment.
        """
        group = self._cgroup("memory")
        limit, used = (
            ("memory.max", "memory.current")
            if self._is_unified(group)
            else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        squeeze = (
            "echo $$ > cgroup.procs; "
            f"head -c {PRESSURE_MEBIBYTES}M /dev/zero | tail -c {PRESSURE_MEBIBYTES}M > /dev/null"
        )
        # While the container grows, the kernel refuses a limit that it has passed by then, and to empty it.
        lower = (
            "{ [ ! -e memory.force_empty ] || echo 0 > memory.force_empty; } 2> /dev/null; "
            f"echo $(($(cat {used}) + {2**20})) > {limit}"
        )
        script = (
            f"echo 1000 > /proc/{victim}/oom_score_adj && cd {group} && "
            f"for try in $(seq {LIMIT_TRIES}); do {{ {lower}; }} && break; done && "
            f"{{ sh -c '{squeeze}' || true; }}"
        )
        run(self.on_node("sh", "-c", script))

    def limit_writes(self, device: str, bytes_per_second: int | None) -> None:
        """Slow the container's writes to a block device ("254:0") down; None lifts the limit."""
        group = self._cgroup("blkio", "io")
        if self._is_unified(group):
            rate = "max" if bytes_per_second is None else str(bytes_per_second)
            self._write(f"{group}/io.max", f"{device} wbps={rate}")
        else:
            self._write(f"{group}/blkio.throttle.write_bps_device", f"{device} {bytes_per_second or 0}")

    def _process(self, pid: int) -> ContainerProcess | None:
        try:
            return ContainerProcess(pid, run(self.on_node("cat", f"/proc/{pid}/comm")).removesuffix("\n"))
        except ClusterError:  # it ended meanwhile
            return None

    def _cgroup(self, *controllers: str) -> str:
        return cgroup_of(run(self.on_node("cat", f"/proc/{self.main}/cgroup")), *controllers)

    def _is_unified(self, group: str) -> bool:
        return "cgroup.controllers" in run(self.on_node("ls", group)).split()

    def _write(self, path: str, text: str) -> None:
        run(self.on_node("sh", "-c", f"echo '{text}' > {path}"))


def cgroup_of(listing: str, *controllers: str) -> str:
    """The folder of a process' cgroup for a controller, by any of its names; `listing` as /proc/PID/cgroup.

    On cgroup v2 there is one for all of them.

    >>> cgroup_of("4:memory:/pods/a\\n0::/b\\n", "memory")
    '/sys/fs/cgroup/memory/pods/a'
    """
    unified = ""
    for line in listing.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            if name in controllers:
                return f"{CGROUPS}/{name}{path}"
        if not names:
            unified = path
    return f"{CGROUPS}{unified}"


def block_device(folder: Path) -> str:
    """The block device under a folder of this machine, as cgroups name it, such as "254:0".

    Raises:
        ClusterError: its file system lies on none.
    """
    number = folder.stat().st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    if not Path("/sys/dev/block", name).exists():
        raise ClusterError(f"{folder} lies on no block device whose writes could be slowed down")
    return name

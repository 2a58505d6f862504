"""Finding and removing what a node's kubelet and containerd leave in the kernel: processes, mounts, cgroups.

It works from what the kernel shows, not from records, so that it also clears what remains of a cluster whose
processes were all killed.
"""

import errno
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.api import ClusterError
from tests.cluster.bare.components import all_components
from tests.cluster.bare.layout import BIN, Node
from tests.cluster.bare.processes import Process, identify, kill_all
from tests.cluster.shell import succeeds, wait_until

CGROUPS = Path("/sys/fs/cgroup")
BURIAL_SECONDS = 30
"""A killed process whose memory the kernel still takes back is listed nowhere, and holds its cgroup."""
SHIM = "containerd-shim-runc-v2"


def mounts_below(folder: Path, mountinfo: str) -> list[Path]:
    """The mount points at or below a folder, the deepest first; `mountinfo` as in /proc/self/mountinfo."""
    points = (_unescape(line.split()[4]) for line in mountinfo.splitlines())
    inside = [Path(point) for point in points if Path(point).is_relative_to(folder)]
    return inside[::-1]  # the kernel lists a mount after the one that it lies on


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder.

    Raises:
        ClusterError: something is still mounted there, so that deleting the folder would reach into it.
    """
    if mounts := _mounts_below(folder):
        # It fails where one has vanished meanwhile: what counts is what remains.
        succeeds(["umount", "--lazy", *mounts])
    if remaining := _mounts_below(folder):
        raise ClusterError(f"cannot unmount {', '.join(map(str, remaining))}")


def remove_tree(folder: Path) -> None:
    """Delete a folder of ours, after unmounting what lies in it."""
    unmount_below(folder)
    if folder.exists():
        shutil.rmtree(folder)


def hierarchies(root: Path = CGROUPS) -> list[Path]:
    """The root of each cgroup hierarchy: one on cgroup v2, one for each controller on v1."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted({path.resolve() for path in root.iterdir() if path.is_dir()})


def create_cgroup(name: str) -> None:
    """Create a cgroup below the root of every hierarchy, able to take processes."""
    for hierarchy in hierarchies():
        if (controllers := hierarchy / "cgroup.controllers").exists() and hierarchy == CGROUPS:
            enable = " ".join(f"+{controller}" for controller in controllers.read_text().split())
            (hierarchy / "cgroup.subtree_control").write_text(enable)
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # a new v1 cpuset is empty, and takes no process
            if (hierarchy / setting).exists():
                (group / setting).write_text((hierarchy / setting).read_text())


def remove_cgroup(name: str) -> None:
    """Remove a cgroup with all below it; no process may be left in it but those that are being buried.

    Raises:
        ClusterError: one lives on.
    """
    for hierarchy in hierarchies():
        group = hierarchy / name

        def removed(group: Path = group) -> bool:
            below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            try:
                for folder in (*below, group):
                    folder.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
            return True

        if group.exists():
            wait_until(f"the last process of {group} to be buried", removed, seconds=BURIAL_SECONDS)


def kill_pods(node: Node) -> None:
    """SIGKILL every container process of a node and every shim that watches one."""

    def all_gone() -> bool:
        # Again and again: a container that starts in this moment has a process that no list held.
        kill_all(_pod_processes(node))
        return not any(_pod_processes(node))

    wait_until(f"the pods of {node.name} to end", all_gone, seconds=30)


def _pod_processes(node: Node) -> Iterator[Process]:
    for hierarchy in hierarchies():
        for tasks in (hierarchy / node.cgroup).rglob("cgroup.procs"):
            yield from (process for pid in tasks.read_text().split() if (process := identify(int(pid))))
    for process, arguments in _command_lines():
        if Path(arguments[0]).name == SHIM and str(node.socket) in arguments:
            yield process


def kill_strays() -> None:
    """SIGKILL components that no record tells of: a start may be interrupted before it writes one."""
    commands = {component.argv for component in all_components()}
    kill_all(
        process
        for process, arguments in _command_lines()
        if Path(arguments[0]).is_relative_to(BIN) or arguments in commands
    )


def _command_lines() -> Iterator[tuple[Process, tuple[str, ...]]]:
    """Every process of this machine and its arguments."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or not (process := identify(int(folder.name))):
            continue
        try:
            text = (folder / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text:  # a thread of the kernel has none
            yield process, tuple(text.removesuffix("\0").split("\0"))


def remove_shim_sockets(node: Node) -> None:
    """Delete the shims' sockets, which containerd keeps in a folder that is not the node's own."""
    for address in (node.run / "containerd").rglob("address"):
        Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)


def _mounts_below(folder: Path) -> list[Path]:
    return mounts_below(folder, Path("/proc/self/mountinfo").read_text())


def _unescape(path: str) -> str:
    """Mountinfo writes blanks and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)

"""A machine of its own for one command: `python3 -m tests.cluster.sandbox COMMAND ...` (root, no network).

Namespaces hide this machine's processes, interfaces, mounts and cgroups, so a whole second bare cluster can
be started, ruined and ended inside while the shared one runs on. With the command's end the kernel takes
away everything that it left. It is for the tests of the cluster itself; they need what the shared cluster's
`up` installed and cached.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.api import DOT_CLUSTER
from tests.cluster.bare.layout import IMAGES
from tests.cluster.bare.leftovers import CGROUPS, create_cgroup, hierarchies, remove_cgroup, unmount_below
from tests.cluster.shell import run

CGROUP = "trainingrun-sandbox"
CLUSTER_FOLDER = IMAGES.parent
NAMESPACES = ["--mount", "--net", "--pid", "--cgroup", "--fork", "--propagation=private"]
INSIDE = "--inside"


def main(arguments: Sequence[str]) -> int:
    """Run the command in a new sandbox; returns its exit code."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] == INSIDE:
        disk, *command = arguments[1:]
        _furnish(Path(disk))
        os.execvp(command[0], command)
    with _cgroup() as enter, tempfile.TemporaryDirectory(dir="/var/tmp") as disk:
        again = [sys.executable, "-m", "tests.cluster.sandbox", INSIDE, disk, *arguments]
        return subprocess.run(
            ["sh", "-c", enter, "sh", "unshare", *NAMESPACES, *again], check=False
        ).returncode


@contextmanager
def _cgroup() -> Iterator[str]:
    """The sandbox' part of every cgroup hierarchy; yields a shell script that runs its arguments in it."""
    create_cgroup(CGROUP)
    groups = [hierarchy / CGROUP for hierarchy in hierarchies()]
    try:
        yield "\n".join([*(f"echo $$ > {group}/cgroup.procs" for group in groups), 'exec "$@"'])
    finally:
        remove_cgroup(CGROUP)


def _furnish(disk: Path) -> None:
    """Replace what still shows the machine outside: processes, devices, cgroups and the cluster's folders."""
    run(["mount", "-t", "proc", "proc", "/proc"])
    for folder in (Path("/run"), CLUSTER_FOLDER):
        unmount_below(folder)
    mounted = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    groups = [(before.split()[4], after.split()) for before, after in mounted if after.startswith("cgroup")]
    run(["mount", "-t", "sysfs", "sysfs", "/sys"])
    if CGROUPS not in [Path(point) for point, _ in groups]:  # cgroup v1: a folder of hierarchies
        run(["mount", "-t", "tmpfs", "tmpfs", CGROUPS])
    for point, (kind, *_, options) in groups:
        Path(point).mkdir(exist_ok=True)
        names = [option for option in options.split(",") if option not in {"rw", "ro"}]
        v1 = ["-o", ",".join(names)] if kind == "cgroup" else []
        run(["mount", "-t", kind, *v1, kind, point])
        if (
            kind == "cgroup2" and Path(point) == CGROUPS
        ):  # a group with processes cannot hand on its controllers
            (CGROUPS / "init").mkdir()
            (CGROUPS / "init" / "cgroup.procs").write_text(str(os.getpid()))
    CLUSTER_FOLDER.mkdir(parents=True, exist_ok=True)
    DOT_CLUSTER.mkdir(exist_ok=True)
    run(["mount", "--bind", disk, CLUSTER_FOLDER])
    for point in ("/run", str(DOT_CLUSTER)):
        run(["mount", "-t", "tmpfs", "tmpfs", point])
    run(["mount", "--make-rshared", "/"])
    run(["ip", "link", "set", "lo", "up"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

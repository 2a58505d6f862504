"""How a container's processes and cgroups are read from what the kernel prints."""

import pytest

from tests.cluster.containers import cgroup_of

V1 = """\
12:cpu,cpuacct:/node/pods/a
7:blkio:/node/pods/b
4:memory:/node/pods/c
0::/
"""


@pytest.mark.parametrize(
    ("listing", "controllers", "folder"),
    [
        (V1, ("memory",), "/sys/fs/cgroup/memory/node/pods/c"),
        (V1, ("blkio", "io"), "/sys/fs/cgroup/blkio/node/pods/b"),
        (V1, ("cpu",), "/sys/fs/cgroup/cpu/node/pods/a"),
        ("0::/kubelet/pods/d\n", ("blkio", "io"), "/sys/fs/cgroup/kubelet/pods/d"),
    ],
)
def test_a_cgroup_is_found_on_both_versions(listing: str, controllers: tuple[str, ...], folder: str) -> None:
    assert cgroup_of(listing, *controllers) == folder

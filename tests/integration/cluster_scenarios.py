"""Up and down of the bare cluster, from every state that an earlier one can leave behind.

Never collected by name, because it would end the cluster that all other tests share:
test_cluster_lifecycle.py runs it on a machine of its own.

    python3 -m tests.cluster.sandbox .venv/bin/pytest tests/integration/cluster_scenarios.py
"""

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import Cluster, current, images
from tests.cluster.bare import network
from tests.cluster.bare.layout import BRIDGE, NODES, RUN, STATE
from tests.cluster.bare.leftovers import hierarchies, unmount_below
from tests.cluster.bare.processes import RECORDS
from tests.cluster.shell import run, wait_until

OURS = (str(STATE), str(RUN), "docker-registry")
"""What the command line of each of the cluster's processes holds, its containers' apart."""
MARK = "86399"
"""The argument of the pods' `sleep`: their processes are known by it."""


@pytest.fixture
def cluster() -> Cluster:
    found = current("bare")
    found.up()
    return found


@pytest.fixture(scope="module")
def image() -> str:
    """Loaded once: the registry and the nodes keep their images, whatever becomes of the cluster."""
    found = current("bare")
    found.up()
    return found.load_image(images.build("base"))


@pytest.fixture
def populated(cluster: Cluster, image: str) -> Cluster:
    """Pods run: those that the scenario before this one left, where it left some."""
    if not pods(cluster):
        run_pods(cluster, image)
    return cluster


def our_processes() -> set[int]:
    """The cluster's living processes and those in its containers, as the kernel lists them."""
    listed = run(["ps", "-e", "-ww", "-o", "pid=,stat=,args="]).splitlines()
    rows = [line.split(maxsplit=2) for line in listed]
    return {
        int(row[0])
        for row in rows
        if len(row) == 3
        and not row[1].startswith("Z")
        and (any(word in row[2] for word in OURS) or row[2] == f"sleep {MARK}")
    }


def traces() -> set[str]:
    """What a cluster can leave behind outside of its own folders."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    namespaces = Path("/run/netns")
    return {
        *(f"interface {path.name}" for path in Path("/sys/class/net").iterdir()),
        *(f"namespace {path.name}" for path in namespaces.iterdir() if namespaces.exists()),
        *(f"mount {mount}" for mount in mounts),
        *(f"rules {line}" for line in run(["nft", "list", "tables"]).splitlines()),
        *(f"route {line}" for line in run(["ip", "route"]).splitlines()),
        *(
            f"cgroup {root / node.cgroup}"
            for root in hierarchies()
            for node in NODES
            if (root / node.cgroup).exists()
        ),
    }


def pods(cluster: Cluster) -> str:
    """The names of all pods of the tests."""
    return cluster.kubectl("get", "pods", "--output=name")


def run_pods(cluster: Cluster, image: str) -> None:
    """A running pod with a service on each node."""
    names = {node: f"sleeper-{node}-{uuid.uuid4().hex[:8]}" for node in cluster.nodes}
    for node, name in names.items():
        overrides = f'{{"spec": {{"nodeName": "{node}"}}}}'
        command = [f"--overrides={overrides}", "--expose", "--port=80", "--command", "--", "sleep", MARK]
        cluster.kubectl("run", name, f"--image={image}", *command)
    created = [f"pod/{name}" for name in names.values()]
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", *created)


def kill_everything() -> None:
    """SIGKILL to every process at once, as an out-of-memory killer gone mad."""

    def none_left() -> bool:
        for pid in our_processes():
            os.kill(pid, signal.SIGKILL)
        return not our_processes()

    wait_until("all to die", none_left, seconds=20)


def reboot() -> None:
    """What a reboot leaves: the disk. No process, no mount, no interface, an empty /run."""
    kill_everything()
    unmount_below(RUN)
    unmount_below(STATE)
    network.delete()
    shutil.rmtree(RUN)


def half_start() -> None:
    """A start that was interrupted between its steps, after an orderly end."""
    current("bare").down()
    network.create()
    STATE.mkdir(parents=True)
    (STATE / "definition").write_text("half")


def lose_records() -> None:
    """What a start leaves that dies between starting its processes and writing them down."""
    shutil.rmtree(RECORDS)


@pytest.mark.parametrize("ruin", [kill_everything, reboot, half_start, lose_records])
def test_up_recovers(populated: Cluster, image: str, ruin: Callable[[], None]) -> None:
    ruin()
    assert not populated.status().healthy
    populated.up()
    assert populated.status().healthy
    assert pods(populated) == "", "a fresh cluster"
    run_pods(populated, image)


def test_a_killed_component_makes_the_cluster_ill_and_up_mends_it(cluster: Cluster) -> None:
    cluster.kill_etcd()
    status = cluster.status()
    assert status.components["etcd"] == "not running"
    assert not status.healthy
    cluster.up()
    assert cluster.status().healthy


def test_a_process_that_is_not_ours_survives(cluster: Cluster) -> None:
    """Of the same program, with the same arguments as a pod's, started by someone else."""
    with subprocess.Popen(["sleep", MARK]) as stranger:
        try:
            cluster.down()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_down_leaves_nothing(image: str) -> None:
    cluster = current("bare")
    cluster.down()
    clean = traces()
    assert not our_processes()
    words = (*OURS, BRIDGE, "trainingrun-n", "kube")
    assert [trace for trace in clean if any(word in trace for word in words)] == []
    cluster.up()
    run_pods(cluster, image)
    assert traces() - clean, "a running cluster has traces"
    cluster.down()
    # The kernel removes the interfaces of ended network namespaces a moment later.
    wait_until("the last interface to go", lambda: traces() == clean, seconds=10)
    assert not our_processes()
    assert not STATE.exists()
    assert not RUN.exists()
    cluster.down()  # of nothing is no error

"""Starting and stopping one node: containerd, kubelet and kube-proxy, with their pods."""

import socket

from tests.cluster.api import ClusterError
from tests.cluster.bare import components, network
from tests.cluster.bare.configs import KUBELET_PORT
from tests.cluster.bare.layout import Node
from tests.cluster.bare.leftovers import (
    create_cgroup,
    kill_pods,
    remove_cgroup,
    remove_shim_sockets,
    remove_tree,
    unmount_below,
)
from tests.cluster.bare.processes import excerpt, kill, start, wait_ready
from tests.cluster.shell import run, succeeds, wait_until


def start_containerd(node: Node) -> None:
    """Start a node's containerd and wait until it answers."""
    create_cgroup(node.cgroup)  # the kubelet refuses to start without it
    node.run.mkdir(parents=True, exist_ok=True)
    containerd = components.containerd(node)
    start(containerd)
    wait_ready(containerd.name, lambda: succeeds(ctr(node, "version")))


def forget_containers(node: Node) -> None:
    """Delete the records of an earlier cluster's containers; the images stay.

    containerd reads them only when it starts, hence the restart.
    """
    if containers := run(ctr(node, "containers", "list", "--quiet")).split():
        run(ctr(node, "containers", "delete", *containers))
        kill(components.containerd(node).name)
        start_containerd(node)


def start_node(node: Node) -> None:
    """Start a node, the first time or after `stop_node`."""
    network.plug(node, connected=True)
    start_containerd(node)
    for component in components.of_node(node):
        start(component)
    # After a revival the API calls a node Ready until it has noticed the death: ask the kubelet itself.
    kubelet = components.kubelet(node)

    def answers() -> bool:
        # containerd answers before its CRI plugin has found its containers again, and a kubelet that asks
        # too early gives up; a service manager would start it again, too.
        start(kubelet)
        return _listens(node.address, KUBELET_PORT)

    try:
        wait_until(f"{kubelet.name} to answer", answers, seconds=90)
    except ClusterError as error:
        raise ClusterError(f"{error}\n{excerpt(kubelet.name)}") from error


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def stop_node(node: Node) -> None:
    """Take a node's power away: everything on it dies at once, its mounts with it; its disk stays."""
    # The kubelet first: it would start again what dies.
    kill(*(component.name for component in reversed(components.of_node(node))))
    kill_pods(node)
    for folder in (node.run, node.state):
        unmount_below(folder)
    remove_shim_sockets(node)
    remove_tree(node.run)
    remove_cgroup(node.cgroup)


def ctr(node: Node, *arguments: str) -> list[str]:
    """A command of containerd's client, in the namespace of the pods' containers."""
    return ["ctr", f"--address={node.socket}", "--namespace=k8s.io", *arguments]

"""The bridge, the second node's network namespace and the routes between the nodes' pods."""

from pathlib import Path

from tests.cluster.bare.layout import BRIDGE, BRIDGE_ADDRESS, BRIDGE_PREFIX, NODES, Node
from tests.cluster.shell import run, succeeds

NODE_INTERFACE = "node0"
FORWARDING = "/proc/sys/net/ipv4/ip_forward"


def interface(node: Node) -> str:
    """The machine's end of the cable to a node with a network namespace of its own."""
    return str(node.netns)


def create_commands() -> list[list[str]]:
    """What builds the network, in order."""
    commands = [
        ["ip", "link", "add", BRIDGE, "type", "bridge"],
        ["ip", "address", "add", f"{BRIDGE_ADDRESS}/{BRIDGE_PREFIX}", "dev", BRIDGE],
        ["ip", "link", "set", BRIDGE, "up"],
        ["sh", "-c", f"echo 1 > {FORWARDING}"],
    ]
    for node in NODES:
        if node.netns is None:
            continue
        inside = ["nsenter", f"--net=/run/netns/{node.netns}"]
        peer = ["type", "veth", "peer", "name", NODE_INTERFACE, "netns", node.netns]
        commands += [
            ["ip", "netns", "add", node.netns],
            ["ip", "link", "add", interface(node), *peer],
            ["ip", "link", "set", interface(node), "master", BRIDGE, "up"],
            [*inside, "ip", "link", "set", "lo", "up"],
            [*inside, "ip", "address", "add", f"{node.address}/{BRIDGE_PREFIX}", "dev", NODE_INTERFACE],
            [*inside, "ip", "link", "set", NODE_INTERFACE, "up"],
            [*inside, "ip", "route", "add", "default", "via", BRIDGE_ADDRESS],
            [*inside, "sh", "-c", f"echo 1 > {FORWARDING}"],
            ["ip", "route", "add", node.pod_range, "via", node.address],
        ]
    return commands


def create() -> None:
    """Build the network; nothing of it may exist."""
    for command in create_commands():
        run(command)


def delete() -> None:
    """Remove whatever exists of the network, and kube-proxy's tables in the machine's namespace."""
    for node in NODES:
        if node.netns and _exists(interface(node)):
            # Before its namespace, which takes the interface with it a moment later.
            run(["ip", "link", "delete", interface(node)])
        if node.netns and Path(f"/run/netns/{node.netns}").exists():
            run(["ip", "netns", "delete", node.netns])
    if _exists(BRIDGE):
        run(["ip", "link", "delete", BRIDGE])
    for family in ("ip", "ip6"):
        table = ["table", family, "kube-proxy"]
        if succeeds(["nft", "list", *table]):
            run(["nft", "delete", *table])


def plug(node: Node, *, connected: bool) -> None:
    """Plug a node's cable in or out; the node in the machine's own namespace has none."""
    if node.netns is not None:
        run(["ip", "link", "set", interface(node), "up" if connected else "down"])


def _exists(name: str) -> bool:
    return Path("/sys/class/net", name).exists()

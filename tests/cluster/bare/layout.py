"""Where the bare cluster lives: its addresses, its nodes and its folders.

All of it is global to the machine (bridges, namespaces and sockets are), so every checkout on one machine
shares one cluster. The addresses belong to a bridge of the cluster's own: nothing listens on the machine's
real network.
"""

from dataclasses import dataclass
from pathlib import Path

NAME = "trainingrun-cluster"

STATE = Path("/var/lib") / NAME / "state"
"""What one cluster is made of: wiped before each fresh start."""
IMAGES = Path("/var/lib") / NAME / "images"
"""The registry's and the nodes' images: kept, because they are large and named by content."""
RUN = Path("/run") / NAME
"""Process identities, sockets and the containers' mounts."""
LOGS = STATE / "log"
PKI = STATE / "pki"
CONFIG = STATE / "config"
VOLUMES = STATE / "volumes"
"""The folder behind the storage class `shared`."""
BIN = STATE / "bin"
"""A link to the built binaries, so that the cluster's definition does not depend on where the cache is."""
DEFINITION = STATE / "definition"
"""The hash of the definition that the running cluster was started from."""
AUDIT_LOG = LOGS / "audit.log"
LOCK = Path("/run/lock") / f"{NAME}.lock"
"""Held by whoever starts or stops the cluster."""
IMAGES_LOCK = Path("/run/lock") / f"{NAME}-images.lock"
"""Held by whoever loads an image: two at once would unpack the same layers twice."""

BRIDGE = "trainingrun0"
BRIDGE_ADDRESS = "10.99.0.1"
"""The first node, the API server, the DNS server and the registry."""
BRIDGE_PREFIX = 24
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
KUBERNETES_SERVICE = "10.96.0.1"
API_SERVER = f"https://{BRIDGE_ADDRESS}:6443"
REGISTRY = f"{BRIDGE_ADDRESS}:5000"
ETCD = "http://127.0.0.1:12379"
ETCD_PEER = "http://127.0.0.1:12380"
COREDNS_READY = f"http://{BRIDGE_ADDRESS}:8181/ready"


@dataclass(frozen=True)
class Node:
    """One node: `netns` is its network namespace, None for the machine's own."""

    name: str
    address: str
    pod_range: str
    netns: str | None

    @property
    def state(self) -> Path:
        return STATE / "nodes" / self.name

    @property
    def run(self) -> Path:
        return RUN / "nodes" / self.name

    @property
    def socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def images(self) -> Path:
        return IMAGES / self.name

    @property
    def cgroup(self) -> str:
        """The cgroup, below the root of every hierarchy, of all the node's pods."""
        return f"trainingrun-{self.name}"


NODES = (
    Node("n1", BRIDGE_ADDRESS, "10.244.1.0/24", netns=None),
    Node("n2", "10.99.0.12", "10.244.2.0/24", netns="trainingrun-n2"),
)

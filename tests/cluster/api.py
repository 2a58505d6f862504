"""What every provider offers, and the words that all of them share."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.cluster.containers import Container

TREE = Path(__file__).resolve().parents[2]
"""The root of this checkout."""

DOT_CLUSTER = TREE / ".cluster"
"""What the cluster leaves in the checkout (git-ignored): `kubeconfig`, and `bin` with the binaries."""

GPU_RESOURCE = "nvidia.com/gpu"
GPUS_PER_NODE = 2
STORAGE_CLASS = "shared"


class ClusterError(Exception):
    """A step failed; the message says which, why (in the failing program's words) and where the logs are."""

    exit_status = 1
    """Of a command that it ends."""


class UnsupportedMachineError(ClusterError):
    """This machine cannot run what was asked for, however often one tries; the message says what it lacks."""

    exit_status = os.EX_UNAVAILABLE


@dataclass(frozen=True)
class Status:
    """The health of a cluster: each part with "ok" or what is wrong; no parts where none was started."""

    provider: str
    components: dict[str, str]
    obstacle: str = ""
    """Why none can be started on this machine."""

    @property
    def healthy(self) -> bool:
        return bool(self.components) and all(state == "ok" for state in self.components.values())

    def __str__(self) -> str:
        if not self.components and self.obstacle:
            return f"no {self.provider} cluster can run on this machine: {self.obstacle}"
        if not self.components:
            return f"no {self.provider} cluster is running; `python3 -m tests.cluster up` starts one"
        verdict = "healthy" if self.healthy else "NOT healthy"
        lines = [f"  {name:<28} {state}" for name, state in self.components.items()]
        return "\n".join([f"{self.provider} cluster: {verdict}", *lines])


def no_one() -> None:
    """For whoever does not want to be told."""


class Cluster(Protocol):
    """A running, or startable, Kubernetes with two nodes. Every method raises ClusterError."""

    provider: str
    kubeconfig: Path
    nodes: list[str]
    """The schedulable nodes."""
    storage_class: str
    """The default storage class: ReadWriteMany, dynamic, bound at once."""
    logs: Path
    """The folder in which every log lies."""

    def up(self, loadable: Callable[[], object] = no_one) -> None:
        """Bring the cluster up, or find it healthy; what an earlier start left is cleared first.

        `loadable` is told once the cluster takes images, which may be minutes before the rest of it is up.
        """

    def down(self) -> None:
        """Stop everything and leave no process, mount, namespace or interface."""

    def status(self) -> Status:
        """The health of each part; never raises."""
        ...

    def load_image(self, ref: str) -> str:
        """Give a local image to all nodes; returns the reference that pods must use."""
        ...

    def put_folder(self, folder: Path, namespace: str, claim: str, size: str = "1Gi") -> None:
        """Copy the content of a local folder into a claim, which is created when it is missing."""

    def volume_folder(self, namespace: str, claim: str) -> Path:
        """The folder of this machine that a claim is; waits until it is bound."""
        ...

    def limit_volume(self, namespace: str, claim: str, mebibytes: int) -> None:
        """Give a claim that no pod uses yet an empty file system of its own, which can run full."""

    def unlimit_volume(self, namespace: str, claim: str) -> None:
        """Take that file system away, with all that is in it."""

    def kill_node(self, name: str) -> None:
        """Take a node's power away: every process on it, its containers' included, dies at once."""

    def revive_node(self, name: str) -> None:
        """Boot a killed node and wait until it is Ready."""

    def kill_apiserver(self) -> None: ...

    def revive_apiserver(self) -> None: ...

    def kill_etcd(self) -> None: ...

    def revive_etcd(self) -> None: ...

    def kill_container(self, namespace: str, pod: str) -> None:
        """SIGKILL the main process of the pod's first container."""

    def container(self, namespace: str, pod: str) -> "Container":
        """The pod's first container, which must run: its processes, and what can be done to them."""
        ...

    def audit_log(self) -> Path:
        """The API server's audit log: JSON lines, level Metadata, stage ResponseComplete only.

        Read on from a place in it: an `up` that reuses the cluster may find it long, and empties it then.
        """
        ...

    def kubectl(self, *args: str, input: str | None = None) -> str:
        """Run kubectl as the cluster's admin; returns its standard output."""
        ...

    def binary(self, name: str) -> Path:
        """The path of a command-line tool of the cluster's version: "kubectl" or "helm"."""
        ...

"""What both providers do alike: everything that goes through the API."""

import json
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.cluster.api import DOT_CLUSTER, GPU_RESOURCE, GPUS_PER_NODE, STORAGE_CLASS, ClusterError
from tests.cluster.claims import put_folder, volume_folder
from tests.cluster.containers import Container
from tests.cluster.shell import run, wait_until
from tests.cluster.toolchain import Toolchain, toolchain

NOT_REGISTERED = "not registered"
NOT_READY = "not Ready"
PROVIDER_RECORD = DOT_CLUSTER / "provider"


class BaseCluster(ABC):
    """The provider-independent half of a Cluster."""

    provider: str
    nodes: list[str]
    logs: Path
    kubeconfig = DOT_CLUSTER / "kubeconfig"
    storage_class = STORAGE_CLASS

    def __init__(self) -> None:
        self.tools: Toolchain = toolchain()

    def kubectl(self, *args: str, input: str | None = None) -> str:
        if not self.kubeconfig.exists():
            raise ClusterError(f"no {self.kubeconfig}: run `python3 -m tests.cluster up` first")
        return run([self.binary("kubectl"), f"--kubeconfig={self.kubeconfig}", *args], input=input)

    def binary(self, name: str) -> Path:
        return self.tools.binary(name)

    def kill_container(self, namespace: str, pod: str) -> None:
        self.container(namespace, pod).signal(SIGKILL)

    def container(self, namespace: str, pod: str) -> Container:
        found = json.loads(self.kubectl("get", "pod", pod, f"--namespace={namespace}", "--output=json"))
        statuses = found.get("status", {}).get("containerStatuses", [])
        if not statuses or "running" not in statuses[0]["state"]:
            raise ClusterError(f"pod {namespace}/{pod} has no running container")
        node = found["spec"]["nodeName"]
        tasks = (line.split() for line in run(self._ctr(node, "task", "list")).splitlines()[1:])
        pids = {task: int(pid) for task, pid, *_ in tasks}
        task = statuses[0]["containerID"].removeprefix("containerd://")
        if not pids.get(task):  # 0 once it ended
            raise ClusterError(f"the container of pod {namespace}/{pod} has just ended")
        return Container(pids[task], partial(self._on_node, node))

    def put_folder(self, folder: Path, namespace: str, claim: str, size: str = "1Gi") -> None:
        put_folder(self, folder, namespace, claim, size)

    def volume_folder(self, namespace: str, claim: str) -> Path:
        return volume_folder(self, namespace, claim)

    @abstractmethod
    def _ctr(self, node: str, *arguments: str) -> list[str]:
        """A command of containerd's client on a node, in the namespace of the pods' containers."""

    @abstractmethod
    def _on_node(self, node: str, *command: str) -> list[str]:
        """A command that runs on a node, with the node's process ids and cgroups."""

    def _check_node(self, name: str) -> str:
        if name not in self.nodes:
            raise ClusterError(f"no node {name!r}; there are {', '.join(self.nodes)}")
        return name

    def _record(self, kubeconfig: str) -> None:
        """Leave in the checkout what other programs look for: kubeconfig, binaries, provider."""
        DOT_CLUSTER.mkdir(exist_ok=True)
        self.kubeconfig.write_text(kubeconfig)
        self.kubeconfig.chmod(0o600)
        link = DOT_CLUSTER / "bin"
        link.unlink(missing_ok=True)
        link.symlink_to(self.tools.folder)
        PROVIDER_RECORD.write_text(self.provider)

    def _forget(self) -> None:
        for path in (self.kubeconfig, PROVIDER_RECORD):
            path.unlink(missing_ok=True)

    def _node_states(self) -> dict[str, str]:
        """For each schedulable node "ok", or what is wrong with it."""
        found = json.loads(self.kubectl("get", "nodes", "--request-timeout=5s", "--output=json"))["items"]
        by_name = {node["metadata"]["name"]: node["status"] for node in found}
        return {f"node {name}": node_state(by_name.get(name)) for name in self.nodes}

    def _offer_gpus(self) -> None:
        """Have each node offer GPUs that are not there: the scheduler only counts them."""
        resource = GPU_RESOURCE.replace("/", "~1")
        paths = [f"/status/{field}/{resource}" for field in ("capacity", "allocatable")]
        patch = json.dumps([{"op": "add", "path": path, "value": str(GPUS_PER_NODE)} for path in paths])
        for node in self.nodes:
            self.kubectl("patch", "node", node, "--subresource=status", "--type=json", f"--patch={patch}")

    def _wait_ready(self, *names: str) -> None:
        def ready() -> bool:
            states = self._node_states()
            return not any(states[f"node {name}"] in (NOT_REGISTERED, NOT_READY) for name in names)

        wait_until(f"{' and '.join(names)} to be Ready", ready, seconds=90)


def node_state(status: dict[str, Any] | None) -> str:
    """What a node's `status` says: "ok" when it is Ready and offers its GPUs."""
    if status is None:
        return NOT_REGISTERED
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    if conditions.get("Ready") != "True":
        return NOT_READY
    offered = status.get("allocatable", {}).get(GPU_RESOURCE)
    return "ok" if offered == str(GPUS_PER_NODE) else f"offers {offered or 'no'} {GPU_RESOURCE}"

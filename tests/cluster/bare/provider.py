"""The bare cluster as a whole: healthy and of this definition, it is reused; otherwise all is cleared and
started anew, so that there is one way up, whatever an earlier start left behind.
"""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cluster.api import ClusterError, Status, no_one
from tests.cluster.bare import components, configs, disks, network, pki, registry
from tests.cluster.bare.layout import (
    AUDIT_LOG,
    BIN,
    COREDNS_READY,
    DEFINITION,
    ETCD,
    IMAGES_LOCK,
    LOCK,
    LOGS,
    NODES,
    REGISTRY,
    RUN,
    STATE,
    VOLUMES,
    Node,
)
from tests.cluster.bare.leftovers import kill_strays, remove_tree
from tests.cluster.bare.nodes import ctr, forget_containers, start_containerd, start_node, stop_node
from tests.cluster.bare.processes import kill, running, start, wait_ready
from tests.cluster.base import BaseCluster
from tests.cluster.debian import ensure_packages, find_obstacle
from tests.cluster.objects import storage_class
from tests.cluster.shell import exclusive, step, truncate_beyond
from tests.cluster.toolchain import COMMON

BINARIES = [
    *COMMON,
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "server",
    "coredns",
    "pause",
    "provisioner",
]

AUDIT_LOG_LIMIT = 256 * 2**20
"""Bytes from which a cluster that is reused starts its audit log anew; below, someone may be reading it."""


class BareCluster(BaseCluster):
    """Kubernetes on two nodes of this machine, without a container engine's help."""

    provider = "bare"
    logs = LOGS

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [node.name for node in NODES]

    def up(self, loadable: Callable[[], object] = no_one) -> None:
        ensure_packages()
        definition = components.definition(self.tools.key)
        with exclusive(LOCK):
            if DEFINITION.exists() and DEFINITION.read_text() == definition:
                self._record(pki.kubeconfig_path("admin").read_text())
                if self.status().healthy:
                    truncate_beyond(AUDIT_LOG, AUDIT_LOG_LIMIT)
                    loadable()
                    return
            with step("clearing what an earlier cluster left"):
                _clear()
            try:
                self._start_stores()
                loadable()
                self._build_tools()
                self._start()
            except ClusterError as error:
                raise ClusterError(f"{error}\nAll logs are in {LOGS}.") from error
            DEFINITION.write_text(definition)

    def _start_stores(self) -> None:
        """All that takes images: it comes with the distribution, while the rest is still to be compiled."""
        with step("network, certificates, configuration"):
            network.create()
            pki.create()
            VOLUMES.mkdir()
            for path, content in components.config_files(components.pause_image(self.tools.key)).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        with step("registry and container runtimes"):
            start(components.registry())
            for node in NODES:
                start_containerd(node)
                forget_containers(node)
            wait_ready("registry", lambda: registry.answers(f"http://{REGISTRY}/v2/"))

    def _build_tools(self) -> None:
        try:
            self.tools.build(BINARIES)
        except BaseException:
            _clear()
            raise

    def _start(self) -> None:
        with step("control plane"):
            BIN.symlink_to(self.tools.folder)
            self._record(pki.kubeconfig_path("admin").read_text())
            start(components.etcd())
            start(components.apiserver())
            self._wait_for_apiserver()
            for component in (components.controller_manager(), components.scheduler(), components.coredns()):
                start(component)
        with step("storage and sandbox image"):
            self.kubectl("apply", "--filename=-", input=json.dumps(storage_class(configs.PROVISIONER)))
            start(components.provisioner())
            registry.ensure_pause_image(components.pause_image(self.tools.key), self.binary("pause"))
        with step("nodes"):
            for node in NODES:
                start_node(node)
            self._wait_ready(*self.nodes)
            self._offer_gpus()
            wait_ready("coredns", lambda: registry.answers(COREDNS_READY))
        if not (status := self.status()).healthy:
            raise ClusterError(f"started, but not well:\n{status}")

    def down(self) -> None:
        with exclusive(LOCK), step("stopping the bare cluster"):
            _clear()
            self._forget()

    def status(self) -> Status:
        if not STATE.exists():
            return Status(self.provider, {}, obstacle=find_obstacle())
        states = {
            component.name: "ok" if running(component.name) else "not running"
            for component in components.all_components()
        }
        try:
            states |= self._node_states()
        except ClusterError as error:
            states["nodes"] = f"cannot be read: {error}"
        if not registry.answers(COREDNS_READY):
            states["coredns"] = f"does not answer at {COREDNS_READY}"
        return Status(self.provider, states)

    def load_image(self, ref: str) -> str:
        with step(f"loading {ref}"), exclusive(IMAGES_LOCK):
            return registry.load_image(ref)

    def kill_node(self, name: str) -> None:
        node = self._node(name)
        stop_node(node)
        network.plug(node, connected=False)

    def revive_node(self, name: str) -> None:
        start_node(self._node(name))
        self._wait_ready(name)

    def kill_apiserver(self) -> None:
        kill("apiserver")

    def revive_apiserver(self) -> None:
        start(components.apiserver())
        self._wait_for_apiserver()

    def kill_etcd(self) -> None:
        kill("etcd")

    def revive_etcd(self) -> None:
        start(components.etcd())
        wait_ready("etcd", lambda: registry.answers(f"{ETCD}/health"))
        self._wait_for_apiserver()

    def audit_log(self) -> Path:
        return AUDIT_LOG

    def limit_volume(self, namespace: str, claim: str, mebibytes: int) -> None:
        disks.limit(self.volume_folder(namespace, claim), mebibytes)

    def unlimit_volume(self, namespace: str, claim: str) -> None:
        disks.unlimit(self.volume_folder(namespace, claim))

    def _ctr(self, node: str, *arguments: str) -> list[str]:
        return ctr(self._node(node), *arguments)

    def _on_node(self, node: str, *command: str) -> list[str]:
        self._check_node(node)
        return list(command)

    def _node(self, name: str) -> Node:
        return NODES[self.nodes.index(self._check_node(name))]

    def _wait_for_apiserver(self) -> None:
        wait_ready("apiserver", lambda: self.kubectl("get", "--raw=/readyz") == "ok")


def _clear() -> None:
    """Leave no process, mount, namespace, interface or state; the images stay."""
    for node in NODES:
        stop_node(node)
    kill(*(component.name for component in reversed(components.all_components())))
    kill_strays()
    network.delete()
    remove_tree(STATE)
    remove_tree(RUN)

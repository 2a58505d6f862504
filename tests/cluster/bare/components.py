"""Every process of the bare cluster, and the files that they read: pure data, and one hash of it all.

The hash is the cluster's definition: `up` reuses a running cluster only when it is the same.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.bare import configs
from tests.cluster.bare.layout import (
    API_SERVER,
    AUDIT_LOG,
    BIN,
    BRIDGE_ADDRESS,
    CONFIG,
    ETCD,
    ETCD_PEER,
    NODES,
    PKI,
    POD_RANGE,
    REGISTRY,
    SERVICE_RANGE,
    STATE,
    VOLUMES,
    Node,
)
from tests.cluster.bare.pki import kubeconfig_path
from tests.cluster.objects import Config, audit_policy, storage_class

QUICK_CLIENT = ("--kube-api-qps=1000", "--kube-api-burst=1000")


@dataclass(frozen=True)
class Component:
    """A long-running process: `netns` is the network namespace it runs in, None for the machine's own."""

    name: str
    argv: tuple[str, ...]
    netns: str | None = None

    def command(self) -> list[str]:
        """The whole command. `ip netns exec` would remount /sys and hide the cgroups; nsenter does not."""
        enter = ["nsenter", f"--net=/run/netns/{self.netns}"] if self.netns else []
        return [*enter, *self.argv]


def etcd() -> Component:
    """etcd without fsync: nothing here is to survive a power cut."""
    return Component(
        "etcd",
        (
            str(BIN / "server"),
            f"--data-dir={STATE / 'etcd'}",
            f"--listen-client-urls={ETCD}",
            f"--advertise-client-urls={ETCD}",
            f"--listen-peer-urls={ETCD_PEER}",
            f"--initial-advertise-peer-urls={ETCD_PEER}",
            f"--initial-cluster=default={ETCD_PEER}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
    )


def apiserver() -> Component:
    """The API server, with an audit log that is never rotated: tests count requests in it."""
    return Component(
        "apiserver",
        (
            str(BIN / "kube-apiserver"),
            f"--etcd-servers={ETCD}",
            f"--bind-address={BRIDGE_ADDRESS}",
            f"--advertise-address={BRIDGE_ADDRESS}",
            f"--secure-port={API_SERVER.rpartition(':')[2]}",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--tls-cert-file={PKI / 'apiserver.crt'}",
            f"--tls-private-key-file={PKI / 'apiserver.key'}",
            f"--client-ca-file={PKI / 'ca.crt'}",
            f"--service-account-key-file={PKI / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={PKI / 'service-accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-client-certificate={PKI / 'apiserver-kubelet.crt'}",
            f"--kubelet-client-key={PKI / 'apiserver-kubelet.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
            f"--audit-policy-file={CONFIG / 'audit-policy.json'}",
            f"--audit-log-path={AUDIT_LOG}",
            "--audit-log-maxsize=0",
        ),
    )


def controller_manager() -> Component:
    """The controllers; a silent node is NotReady after 20 s, two and a half of its leases."""
    return Component(
        "controller-manager",
        (
            str(BIN / "kube-controller-manager"),
            *_authorised("controller-manager"),
            "--bind-address=127.0.0.1",
            f"--service-account-private-key-file={PKI / 'service-accounts.key'}",
            f"--root-ca-file={PKI / 'ca.crt'}",
            f"--cluster-signing-cert-file={PKI / 'ca.crt'}",
            f"--cluster-signing-key-file={PKI / 'ca.key'}",
            "--use-service-account-credentials",
            "--allocate-node-cidrs",
            f"--cluster-cidr={POD_RANGE}",
            "--node-monitor-grace-period=20s",
            "--node-monitor-period=2s",
            "--leader-elect=false",
            *QUICK_CLIENT,
        ),
    )


def scheduler() -> Component:
    """The scheduler."""
    kubeconfig = kubeconfig_path("scheduler")
    return Component(
        "scheduler",
        (
            str(BIN / "kube-scheduler"),
            f"--config={CONFIG / 'scheduler.json'}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
        ),
    )


def coredns() -> Component:
    """The cluster's DNS server, a process of the machine."""
    return Component("coredns", (str(BIN / "coredns"), f"-conf={CONFIG / 'Corefile'}"))


def provisioner() -> Component:
    """What makes the volumes of the storage class `shared`."""
    return Component(
        "provisioner",
        (
            str(BIN / "provisioner"),
            f"-kubeconfig={kubeconfig_path('provisioner')}",
            f"-name={configs.PROVISIONER}",
            f"-root={VOLUMES}",
        ),
    )


def registry() -> Component:
    """Debian's docker-registry."""
    return Component("registry", ("docker-registry", "serve", str(CONFIG / "registry.json")))


def containerd(node: Node) -> Component:
    """A node's container runtime."""
    return Component(
        f"containerd-{node.name}",
        ("containerd", f"--config={CONFIG / f'containerd-{node.name}.toml'}"),
        node.netns,
    )


def kubelet(node: Node) -> Component:
    """A node's kubelet."""
    return Component(
        f"kubelet-{node.name}",
        (
            str(BIN / "kubelet"),
            f"--config={CONFIG / f'kubelet-{node.name}.json'}",
            f"--kubeconfig={kubeconfig_path(node.name)}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
            f"--root-dir={node.state / 'kubelet'}",
            f"--cert-dir={node.state / 'pki'}",
        ),
        node.netns,
    )


def kube_proxy(node: Node) -> Component:
    """A node's service proxy."""
    return Component(
        f"proxy-{node.name}",
        (str(BIN / "kube-proxy"), f"--config={CONFIG / f'proxy-{node.name}.json'}"),
        node.netns,
    )


def of_node(node: Node) -> list[Component]:
    """The processes of a node, in the order of their start."""
    return [containerd(node), kubelet(node), kube_proxy(node)]


def all_components() -> list[Component]:
    """Every process, in the order of their start."""
    return [
        registry(),
        etcd(),
        apiserver(),
        controller_manager(),
        scheduler(),
        coredns(),
        provisioner(),
        *(component for node in NODES for component in of_node(node)),
    ]


def config_files(pause_image: str) -> dict[Path, str]:
    """Each configuration file and its content."""

    def text(config: Config) -> str:
        return json.dumps(config, indent=2) + "\n"

    files = {
        CONFIG / "audit-policy.json": text(audit_policy()),
        CONFIG / "scheduler.json": text(configs.scheduler(kubeconfig_path("scheduler"))),
        CONFIG / "registry.json": text(configs.registry()),
        CONFIG / "Corefile": configs.corefile(kubeconfig_path("coredns")),
        CONFIG / "resolv.conf": "",  # pods must not inherit the machine's search domains
    }
    for node in NODES:
        files[CONFIG / f"containerd-{node.name}.toml"] = configs.containerd(node, pause_image)
        files[CONFIG / f"kubelet-{node.name}.json"] = text(configs.kubelet(node))
        files[CONFIG / f"proxy-{node.name}.json"] = text(configs.kube_proxy(node, kubeconfig_path("proxy")))
        files[node.state / "cni" / "10-pods.conflist"] = text(configs.cni(node))
    return files


def pause_image(tools_key: str) -> str:
    """The image of every sandbox, named by the content that it was built from."""
    return f"{REGISTRY}/pause:{tools_key}"


def definition(tools_key: str) -> str:
    """The hash of the whole cluster: binaries, commands, files and the storage class."""
    everything = {
        "tools": tools_key,
        "commands": [component.command() for component in all_components()],
        "files": {str(path): text for path, text in config_files(pause_image(tools_key)).items()},
        "storage": storage_class(configs.PROVISIONER),
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def _authorised(identity: str) -> tuple[str, ...]:
    """A component that calls the API server, and asks it who may call itself."""
    path = kubeconfig_path(identity)
    return (
        f"--kubeconfig={path}",
        f"--authentication-kubeconfig={path}",
        f"--authorization-kubeconfig={path}",
    )

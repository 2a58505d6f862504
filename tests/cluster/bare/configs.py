"""Every configuration file of the bare cluster, as plain data: written as JSON, which is valid YAML."""

from pathlib import Path

from tests.cluster.bare.layout import (
    BRIDGE_ADDRESS,
    CONFIG,
    IMAGES,
    KUBERNETES_SERVICE,
    PKI,
    POD_RANGE,
    REGISTRY,
    Node,
)
from tests.cluster.objects import Config, fast_restarts

KUBELET_PORT = 10250
PROVISIONER = "trainingrun.dev/shared-folder"


def scheduler(kubeconfig: Path) -> Config:
    """Client limits far above the defaults: what a test measures is our code, not a throttle."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 1000},
        "leaderElection": {"leaderElect": False},
    }


def kubelet(node: Node) -> Config:
    """A kubelet that shares its machine with another one, on cgroup v1 or v2, without systemd."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "port": KUBELET_PORT,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [BRIDGE_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(CONFIG / "resolv.conf"),
        # With the shared default one kubelet deletes the pod logs of the other.
        "podLogsDir": str(node.state / "pod-logs"),
        "maxPods": 110,
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "kubeAPIQPS": 1000,
        "kubeAPIBurst": 1000,
        # Leave no chains in the machine's iptables.
        "makeIPTablesUtilChains": False,
        # A dead node is noticed within seconds: see the controller manager's grace period.
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 8,
        **fast_restarts(),
    }


def kube_proxy(node: Node, kubeconfig: Path) -> Config:
    """Services by nftables; conntrack's limits are the machine's business."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": node.name,
        "healthzBindAddress": f"{node.address}:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "conntrack": {"maxPerCore": 0, "min": None},
    }


def cni(node: Node) -> Config:
    """A routed veth pair for each pod. Not a bridge: traffic between two pods of one node must pass the
    machine's routing, or the answers of a ClusterIP would not be translated back.
    """
    addresses = {
        "type": "host-local",
        "dataDir": str(node.state / "addresses"),
        "ranges": [[{"subnet": node.pod_range}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}],
    }


def containerd(node: Node, pause_image: str) -> str:
    """containerd's TOML: all of its paths are the node's own, and the local registry speaks plain http."""
    cri = '[plugins."io.containerd.grpc.v1.cri"'
    return f"""\
version = 2
root = "{node.images}"
state = "{node.run / "containerd"}"

[grpc]
  address = "{node.socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{node.state / "opt"}"

{cri}]
  sandbox_image = "{pause_image}"
  # Without CAP_SYS_RESOURCE a sandbox that lowers its OOM score dies at once.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

{cri}.cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{node.state / "cni"}"

{cri}.containerd]
  snapshotter = "overlayfs"

{cri}.registry.mirrors."{REGISTRY}"]
  endpoint = ["http://{REGISTRY}"]
"""


def registry() -> Config:
    """The local registry: it holds every image that `load_image` was given."""
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(IMAGES / "registry")},
            "delete": {"enabled": True},
        },
        "http": {"addr": REGISTRY},
    }


def corefile(kubeconfig: Path) -> str:
    """The cluster's DNS: names of services and pods, never cached as absent; nothing of the outside world."""
    return f"""\
.:53 {{
  bind {BRIDGE_ADDRESS}
  errors
  ready {BRIDGE_ADDRESS}:8181
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig} cluster
    pods insecure
    ttl 5
  }}
  cache 5 {{
    disable denial
  }}
}}
"""


APISERVER_NAMES = [
    "DNS:localhost",
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    "DNS:kubernetes.default.svc.cluster.local",
    "IP:127.0.0.1",
    f"IP:{BRIDGE_ADDRESS}",
    f"IP:{KUBERNETES_SERVICE}",
]
"""The names that clients may call the API server by."""

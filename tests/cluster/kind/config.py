"""What kind is asked for: its configuration and every command, as plain data."""

import hashlib
import json
from pathlib import Path

from tests.cluster.objects import Config, audit_policy, fast_restarts, storage_class

NAME = "trainingrun"
NODE_IMAGE = "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"
"""One of the images built for kind v0.33.0 (tools/go.mod)."""
CONTROL_PLANE = f"{NAME}-control-plane"
WORKERS = [f"{NAME}-worker", f"{NAME}-worker2"]
PROVISIONER = "rancher.io/local-path"
MANIFESTS = "/etc/kubernetes/manifests"
PARKED = "/etc/kubernetes"
AUDIT_POLICY = "/etc/kubernetes/audit/policy.json"
AUDIT_LOG = "/var/log/kubernetes/audit.log"


def cluster_config(volumes: Path, audit: Path) -> Config:
    """A control plane and two workers.

    `volumes`, a folder of this machine, is seen by all nodes under the same path; `audit` is the folder that
    holds `policy.json`.
    """
    shared = {"hostPath": str(volumes), "containerPath": str(volumes)}
    policy = {"hostPath": str(audit), "containerPath": str(Path(AUDIT_POLICY).parent), "readOnly": True}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": NAME,
        "kubeadmConfigPatches": [json.dumps(_control_plane()), json.dumps(_kubelet())],
        "nodes": [
            {"role": "control-plane", "image": NODE_IMAGE, "extraMounts": [shared, policy]},
            *({"role": "worker", "image": NODE_IMAGE, "extraMounts": [shared]} for _ in WORKERS),
        ],
    }


def _control_plane() -> Config:
    """An audit log that is never rotated, and client limits that throttle no test."""
    audit = {"audit-policy-file": AUDIT_POLICY, "audit-log-path": AUDIT_LOG, "audit-log-maxsize": "0"}
    quick = {"kube-api-qps": "1000", "kube-api-burst": "1000"}
    grace = {"node-monitor-grace-period": "20s", "node-monitor-period": "2s"}
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": _arguments(audit),
            "extraVolumes": [
                _volume("audit-policy", str(Path(AUDIT_POLICY).parent), read_only=True),
                _volume("audit-log", str(Path(AUDIT_LOG).parent), read_only=False),
            ],
        },
        "controllerManager": {"extraArgs": _arguments(quick | grace)},
        "scheduler": {"extraArgs": _arguments(quick)},
    }


def _kubelet() -> Config:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "maxPods": 110,
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 8,
        **fast_restarts(),
    }


def _arguments(arguments: dict[str, str]) -> list[Config]:
    """Extra arguments in kubeadm's v1beta4 form."""
    return [{"name": name, "value": value} for name, value in arguments.items()]


def _volume(name: str, path: str, *, read_only: bool) -> Config:
    return {
        "name": name,
        "hostPath": path,
        "mountPath": path,
        "readOnly": read_only,
        "pathType": "DirectoryOrCreate",
    }


def definition(volumes: Path, audit: Path) -> str:
    """The hash of all that the cluster is made from."""
    everything = [cluster_config(volumes, audit), audit_policy(), storage_class(PROVISIONER)]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:16]


def create_command(kind: Path, config: Path, kubeconfig: Path) -> list[str]:
    """Create the cluster and wait until its control plane is ready."""
    files = [f"--config={config}", f"--kubeconfig={kubeconfig}"]
    return [str(kind), "create", "cluster", f"--name={NAME}", *files, "--wait=180s"]


def delete_command(kind: Path, kubeconfig: Path) -> list[str]:
    """Delete the cluster; it is no error that there is none."""
    return [str(kind), "delete", "cluster", f"--name={NAME}", f"--kubeconfig={kubeconfig}"]


def load_command(kind: Path, ref: str) -> list[str]:
    """Copy an image of the Docker engine onto the workers."""
    return [str(kind), "load", "docker-image", ref, f"--name={NAME}", f"--nodes={','.join(WORKERS)}"]


def empty_volumes_command(volumes: Path) -> list[str]:
    """Delete all volumes from inside: their folders belong to root."""
    return ["docker", "exec", CONTROL_PLANE, "find", str(volumes), "-mindepth", "1", "-delete"]


def export_logs_command(kind: Path, folder: Path) -> list[str]:
    """Collect the logs of all nodes."""
    return [str(kind), "export", "logs", str(folder), f"--name={NAME}"]


def kill_static_pod_command(name: str, process: str) -> list[str]:
    """SIGKILL a part of the control plane, its manifest moved away so that the kubelet leaves it dead."""
    script = f"mv {MANIFESTS}/{name}.yaml {PARKED}/ && pkill -KILL -x {process}"
    return ["docker", "exec", CONTROL_PLANE, "sh", "-c", script]


def revive_static_pod_command(name: str) -> list[str]:
    """Give the manifest back to the kubelet."""
    return ["docker", "exec", CONTROL_PLANE, "mv", f"{PARKED}/{name}.yaml", f"{MANIFESTS}/"]


def storage_commands(volumes: Path) -> list[list[str]]:
    """kubectl arguments that make kind's own provisioner use the folder that all nodes see."""
    config = json.dumps({"data": {"config.json": json.dumps({"sharedFileSystemPath": str(volumes)})}})
    namespace = "--namespace=local-path-storage"
    provisioner = "deployment/local-path-provisioner"
    return [
        ["delete", "storageclass", "standard"],
        ["patch", "configmap", "local-path-config", namespace, "--type=merge", f"--patch={config}"],
        ["rollout", "restart", provisioner, namespace],
        ["rollout", "status", provisioner, namespace, "--timeout=120s"],
    ]

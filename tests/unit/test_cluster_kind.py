"""What kind is asked for. No Docker engine has run it yet, so this is all that is tested of it."""

import json
from pathlib import Path

import pytest

from tests.cluster.bare import configs
from tests.cluster.bare.layout import NODES
from tests.cluster.kind import config
from tests.cluster.objects import claim, storage_class
from tests.cluster.toolchain import KUBERNETES_VERSION, TOOLS

VOLUMES, AUDIT, KIND, KUBECONFIG = (
    Path("/c/volumes"),
    Path("/c/audit"),
    Path("/b/kind"),
    Path("/c/kubeconfig"),
)


def test_two_workers_on_an_image_pinned_by_digest() -> None:
    nodes = config.cluster_config(VOLUMES, AUDIT)["nodes"]
    assert [node["role"] for node in nodes] == ["control-plane", "worker", "worker"]
    assert {node["image"] for node in nodes} == {config.NODE_IMAGE}
    assert "@sha256:" in config.NODE_IMAGE
    assert len(config.WORKERS) == 2


def test_the_node_image_has_the_minor_version_of_the_bare_cluster() -> None:
    minor = KUBERNETES_VERSION.rpartition(".")[0]
    assert config.NODE_IMAGE.startswith(f"kindest/node:v{minor}.")
    assert "sigs.k8s.io/kind v0.33.0" in (TOOLS / "go.mod").read_text()


def test_every_node_sees_the_volumes_under_the_path_that_this_machine_uses() -> None:
    for node in config.cluster_config(VOLUMES, AUDIT)["nodes"]:
        assert {"hostPath": str(VOLUMES), "containerPath": str(VOLUMES)} in node["extraMounts"]


def test_the_audit_log_is_written_whole_by_a_policy_that_the_api_server_sees() -> None:
    document = config.cluster_config(VOLUMES, AUDIT)
    server = json.loads(document["kubeadmConfigPatches"][0])["apiServer"]
    arguments = {argument["name"]: argument["value"] for argument in server["extraArgs"]}
    assert arguments["audit-log-maxsize"] == "0"
    mounted = {volume["mountPath"]: volume["hostPath"] for volume in server["extraVolumes"]}
    for flag in ("audit-policy-file", "audit-log-path"):
        assert str(Path(arguments[flag]).parent) in mounted
    policy_folder = mounted[str(Path(arguments["audit-policy-file"]).parent)]
    mounts = document["nodes"][0]["extraMounts"]
    assert policy_folder in {mount["containerPath"] for mount in mounts}


@pytest.mark.parametrize(
    "field",
    ["crashLoopBackOff", "featureGates", "maxPods", "nodeStatusUpdateFrequency", "nodeLeaseDurationSeconds"],
)
def test_kubelets_behave_alike_on_both_providers(field: str) -> None:
    kubelet = json.loads(config.cluster_config(VOLUMES, AUDIT)["kubeadmConfigPatches"][1])
    assert kubelet[field] == configs.kubelet(NODES[0])[field]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            config.create_command(KIND, Path("/c/kind.json"), KUBECONFIG),
            "/b/kind create cluster --name=trainingrun --config=/c/kind.json --kubeconfig=/c/kubeconfig"
            " --wait=180s",
        ),
        (
            config.delete_command(KIND, KUBECONFIG),
            "/b/kind delete cluster --name=trainingrun --kubeconfig=/c/kubeconfig",
        ),
        (
            config.load_command(KIND, "localhost/trainer:1"),
            "/b/kind load docker-image localhost/trainer:1 --name=trainingrun"
            " --nodes=trainingrun-worker,trainingrun-worker2",
        ),
        (
            config.export_logs_command(KIND, Path("/c/logs")),
            "/b/kind export logs /c/logs --name=trainingrun",
        ),
        (
            config.kill_static_pod_command("etcd", "etcd"),
            "docker exec trainingrun-control-plane sh -c"
            " mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/ && pkill -KILL -x etcd",
        ),
        (
            config.revive_static_pod_command("etcd"),
            "docker exec trainingrun-control-plane mv /etc/kubernetes/etcd.yaml /etc/kubernetes/manifests/",
        ),
        (
            config.empty_volumes_command(VOLUMES),
            "docker exec trainingrun-control-plane find /c/volumes -mindepth 1 -delete",
        ),
    ],
)
def test_commands(command: list[str], expected: str) -> None:
    assert " ".join(command) == expected


def test_the_shipped_provisioner_is_told_of_the_shared_folder() -> None:
    patch = config.storage_commands(VOLUMES)[1][-1].removeprefix("--patch=")
    assert json.loads(json.loads(patch)["data"]["config.json"]) == {"sharedFileSystemPath": str(VOLUMES)}


def test_the_default_class_serves_the_claims_that_put_makes() -> None:
    offered = storage_class(config.PROVISIONER)
    assert offered["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    wanted = claim("team", "data", "1Gi")["spec"]
    assert wanted["storageClassName"] == offered["metadata"]["name"]
    assert wanted["accessModes"] == ["ReadWriteMany"]


def test_the_definition_follows_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = config.definition(VOLUMES, AUDIT)
    assert config.definition(VOLUMES, AUDIT) == reference
    monkeypatch.setattr(config, "NODE_IMAGE", "kindest/node:another")
    assert config.definition(VOLUMES, AUDIT) != reference

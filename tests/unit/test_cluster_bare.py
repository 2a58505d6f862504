"""The pure parts of the bare cluster: what would be started, with which files and commands."""

import json
import re
from ipaddress import ip_address, ip_network
from itertools import combinations
from pathlib import Path

import pytest

from tests.cluster.bare import components, configs, network, pki
from tests.cluster.bare.layout import (
    BRIDGE,
    BRIDGE_ADDRESS,
    BRIDGE_PREFIX,
    IMAGES,
    NODES,
    POD_RANGE,
    REGISTRY,
    RUN,
    SERVICE_RANGE,
    STATE,
)
from tests.cluster.bare.leftovers import hierarchies, mounts_below
from tests.cluster.bare.registry import registry_reference, superseded

INTERFACE_NAME_LIMIT = 15
SOCKET_PATH_LIMIT = 107


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("localhost/trainer:1f2e", f"{REGISTRY}/trainer:1f2e"),
        ("trainer:1f2e", f"{REGISTRY}/trainer:1f2e"),
        ("trainer", f"{REGISTRY}/trainer"),
        ("team/trainer:1", f"{REGISTRY}/team/trainer:1"),
        ("registry.example:5000/team/trainer:1", f"{REGISTRY}/team/trainer:1"),
        ("registry.example/trainer:1", f"{REGISTRY}/trainer:1"),
    ],
)
def test_an_image_keeps_its_name_in_the_local_registry(ref: str, expected: str) -> None:
    assert registry_reference(ref) == expected


IMAGES_ON_A_NODE = f"""\
REF                       TYPE     DIGEST    SIZE    PLATFORMS   LABELS
{REGISTRY}/trainer:new    manifest sha256:d2 2.9 GiB linux/amd64 io.cri-containerd.image=managed
{REGISTRY}/trainer:old    manifest sha256:d1 2.9 GiB linux/amd64 io.cri-containerd.image=managed
{REGISTRY}/trainer:again  manifest sha256:d2 2.9 GiB linux/amd64 io.cri-containerd.image=managed
{REGISTRY}/trainer@sha256:d1 manifest sha256:d1 2.9 GiB linux/amd64 io.cri-containerd.image=managed
{REGISTRY}/trainer-2:old  manifest sha256:d3 2.9 GiB linux/amd64 io.cri-containerd.image=managed
{REGISTRY}/copy:1         manifest sha256:d1 2.9 GiB linux/amd64 io.cri-containerd.image=managed
sha256:i1                 manifest sha256:d1 2.9 GiB linux/amd64 io.cri-containerd.image=managed
sha256:i2                 manifest sha256:d2 2.9 GiB linux/amd64 io.cri-containerd.image=managed
sha256:i3                 manifest sha256:d3 2.9 GiB linux/amd64 io.cri-containerd.image=managed
"""


@pytest.mark.parametrize(
    ("loaded", "dropped"),
    [
        ("trainer:new", [f"{REGISTRY}/trainer:old", f"{REGISTRY}/trainer@sha256:d1", "sha256:i1"]),
        ("trainer:old", [f"{REGISTRY}/trainer:new", f"{REGISTRY}/trainer:again", "sha256:i2"]),
        ("trainer-2:old", []),
        ("copy:1", []),
    ],
)
def test_a_node_drops_other_images_of_the_same_name(loaded: str, dropped: list[str]) -> None:
    assert superseded(IMAGES_ON_A_NODE, f"{REGISTRY}/{loaded}") == dropped


def test_two_nodes_share_nothing_on_their_machine() -> None:
    one, other = NODES
    for attribute in ("name", "address", "pod_range", "netns", "state", "run", "socket", "images", "cgroup"):
        assert getattr(one, attribute) != getattr(other, attribute)
    assert configs.kubelet(one)["podLogsDir"] != configs.kubelet(other)["podLogsDir"]
    assert configs.cni(one)["plugins"] != configs.cni(other)["plugins"]


def test_the_address_ranges_do_not_overlap() -> None:
    bridge = ip_network(f"{BRIDGE_ADDRESS}/{BRIDGE_PREFIX}", strict=False)
    for one, other in combinations([bridge, ip_network(POD_RANGE), ip_network(SERVICE_RANGE)], 2):
        assert not one.overlaps(other)
    for node in NODES:
        assert ip_address(node.address) in bridge
        assert ip_network(node.pod_range).subnet_of(ip_network(POD_RANGE))  # type: ignore[arg-type]


def test_nothing_listens_on_the_real_network() -> None:
    files = components.config_files("pause")
    commands = [component.command() for component in components.all_components()]
    every_address = r"0\.0\.0\.0(?!/)"  # with a slash it is a route
    assert not re.search(every_address, json.dumps([list(files.values()), commands]))
    for node in NODES:
        assert configs.kubelet(node)["address"] == node.address
        proxy = configs.kube_proxy(node, Path("kubeconfig"))
        assert proxy["healthzBindAddress"].startswith(f"{node.address}:")


def test_everything_is_kept_in_the_three_folders_that_are_cleared() -> None:
    for path in components.config_files("pause"):
        assert path.is_relative_to(STATE)
    for node in NODES:
        assert node.state.is_relative_to(STATE)
        assert node.images.is_relative_to(IMAGES)
        assert node.run.is_relative_to(RUN)
    assert not STATE.is_relative_to(IMAGES)
    assert not IMAGES.is_relative_to(STATE)


def test_the_kernel_takes_the_names() -> None:
    for name in (BRIDGE, *(node.netns for node in NODES if node.netns)):
        assert len(name) <= INTERFACE_NAME_LIMIT
    for node in NODES:
        assert len(f"{node.socket}.ttrpc") <= SOCKET_PATH_LIMIT


def test_a_component_enters_its_node_s_network_namespace() -> None:
    entering = {
        component.name: component.command()[:2]
        for component in components.all_components()
        if component.command()[0] == "nsenter"
    }
    inside = ["nsenter", "--net=/run/netns/trainingrun-n2"]
    assert entering == {"containerd-n2": inside, "kubelet-n2": inside, "proxy-n2": inside}


def test_every_json_file_is_json_and_every_named_file_is_written() -> None:
    files = components.config_files("pause")
    for path, text in files.items():
        if path.suffix in {".json", ".conflist"}:
            assert json.loads(text)
    named = {
        Path(argument.rpartition("=")[2])
        for component in components.all_components()
        for argument in component.argv
        if "/config/" in argument
    }
    assert named <= set(files)
    assert named


def test_the_definition_follows_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = components.definition("tools")
    assert components.definition("tools") == reference
    assert components.definition("other tools") != reference
    monkeypatch.setattr(configs, "PROVISIONER", "another.example/provisioner")
    assert components.definition("tools") != reference


def test_the_network_is_built_before_it_is_used() -> None:
    commands = [" ".join(command) for command in network.create_commands()]
    assert commands[0] == f"ip link add {BRIDGE} type bridge"
    created = commands.index("ip netns add trainingrun-n2")
    assert all("trainingrun-n2" not in command for command in commands[:created])


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (pki.Identity("admin", group="system:masters"), "/O=system:masters/CN=admin"),
        (pki.Identity("system:kube-scheduler"), "/CN=system:kube-scheduler"),
    ],
)
def test_a_certificate_names_user_and_group(identity: pki.Identity, expected: str) -> None:
    assert pki.subject(identity) == expected


def test_only_a_server_s_certificate_has_names() -> None:
    assert "subjectAltName = IP:10.0.0.1\n" in pki.extensions(pki.Identity("server", names=("IP:10.0.0.1",)))
    assert "subjectAltName" not in pki.extensions(pki.Identity("client"))


MOUNTINFO = r"""
22 1 254:0 / / rw shared:1 - ext4 /dev/root rw
40 22 0:5 / /run/cluster/a rw - tmpfs tmpfs rw
41 40 0:6 / /run/cluster/a/b rw - tmpfs tmpfs rw
42 22 0:7 / /run/cluster-of-others rw - tmpfs tmpfs rw
43 22 0:8 / /run/cluster/with\040blank rw - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/run/cluster", ["/run/cluster/with blank", "/run/cluster/a/b", "/run/cluster/a"]),
        ("/run/cluster/a", ["/run/cluster/a/b", "/run/cluster/a"]),
        ("/run/clu", []),
    ],
)
def test_mounts_are_found_deepest_first(folder: str, expected: list[str]) -> None:
    assert mounts_below(Path(folder), MOUNTINFO) == [Path(path) for path in expected]


def test_cgroup_hierarchies_of_both_versions_are_found(tmp_path: Path) -> None:
    first = tmp_path / "v1"
    for name in ("cpu,cpuacct", "memory"):
        (first / name).mkdir(parents=True)
    (first / "cpu").symlink_to("cpu,cpuacct")
    assert hierarchies(first) == [first / "cpu,cpuacct", first / "memory"]
    second = tmp_path / "v2"
    (second / "system.slice").mkdir(parents=True)
    (second / "cgroup.controllers").touch()
    assert hierarchies(second) == [second]

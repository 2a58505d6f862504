"""The promises of the running cluster that everything above it stands on, kills and revivals included."""

import json
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, ClusterError, images
from tests.cluster.api import GPU_RESOURCE, GPUS_PER_NODE
from tests.cluster.bare import disks
from tests.cluster.claims import ensure_claim
from tests.cluster.containers import block_device
from tests.cluster.objects import claim
from tests.cluster.shell import wait_until

pytestmark = pytest.mark.cluster

SECONDS = 60
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).status)"


class Playground:
    """A namespace of one test module, and short ways to use it."""

    def __init__(self, cluster: Cluster, namespace: str, image: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.image = image

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        return self.cluster.kubectl(f"--namespace={self.namespace}", *arguments, input=input)

    def create(self, *objects: dict[str, Any]) -> None:
        self.kubectl("create", "--filename=-", input="\n---\n".join(json.dumps(each) for each in objects))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def run(self, pod: str, *command: str) -> str:
        return self.kubectl("exec", pod, "--", *command).strip()

    def wait_ready(self, *pods: str) -> None:
        names = [f"pod/{pod}" for pod in pods]
        self.kubectl("wait", "--for=condition=Ready", f"--timeout={SECONDS}s", *names)

    def pod(self, name: str, node: str = "", gpus: int = 0, **spec: Any) -> dict[str, Any]:
        """A web server; where a test does not say where it runs, the scheduler does."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
                "containers": [
                    {
                        "name": "server",
                        "image": self.image,
                        "command": ["python3", "-m", "http.server", "8000"],
                        "securityContext": {"runAsUser": 1000},
                        "resources": {"limits": {GPU_RESOURCE: str(gpus)}} if gpus else {},
                        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
                    }
                ],
                "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}}],
                **spec,
            },
        }


@pytest.fixture(scope="module")
def playground(cluster: Cluster) -> Iterator[Playground]:
    """A namespace with a claim and a web server on each node: `first` has a headless name."""
    image = cluster.load_image(images.build("base"))
    found = Playground(cluster, f"cluster-{uuid.uuid4().hex[:8]}", image)
    cluster.kubectl("create", "namespace", found.namespace)
    one, other = cluster.nodes
    service = {"apiVersion": "v1", "kind": "Service"}
    select = {"selector": {"app": "first"}}
    found.create(
        claim(found.namespace, "shared", "1Gi"),
        service | {"metadata": {"name": "headless"}, "spec": {"clusterIP": "None", **select}},
        service
        | {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "targetPort": 8000}], **select}},
        found.pod("first", one, hostname="first", subdomain="headless"),
        found.pod("second", other),
    )
    found.wait_ready("first", "second")
    yield found
    cluster.kubectl("delete", "namespace", found.namespace)


@pytest.mark.parametrize("pod", ["first", "second"])
@pytest.mark.parametrize("url", ["http://first.headless:8000", "http://web"])
def test_names_lead_to_the_pod_from_both_nodes(playground: Playground, pod: str, url: str) -> None:
    assert playground.run(pod, "python3", "-c", FETCH, url) == "200"


def test_a_volume_is_one_on_both_nodes(playground: Playground) -> None:
    playground.run("first", "sh", "-c", "echo from the first node > /shared/note")
    assert playground.run("second", "cat", "/shared/note") == "from the first node"


def test_a_folder_put_into_a_claim_is_read_by_any_user(playground: Playground, tmp_path: Path) -> None:
    private = tmp_path / "folder" / "inner"
    private.mkdir(parents=True)
    (private / "file.txt").write_text("content")
    (private / "file.txt").chmod(0o600)
    private.chmod(0o700)
    playground.cluster.put_folder(tmp_path / "folder", playground.namespace, "shared")
    assert playground.run("second", "cat", "/shared/inner/file.txt") == "content"


def test_putting_a_folder_creates_the_claim(playground: Playground, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("content")
    playground.cluster.put_folder(tmp_path, playground.namespace, "created", size="3Gi")
    created = playground.get("persistentvolumeclaim", "created")
    assert created["status"]["phase"] == "Bound"
    assert created["spec"]["resources"]["requests"]["storage"] == "3Gi"


def test_putting_what_is_no_folder_is_refused(playground: Playground, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="is not a folder"):
        playground.cluster.put_folder(tmp_path / "absent", playground.namespace, "shared")


def test_a_claim_of_an_unknown_storage_class_waits_and_says_why(playground: Playground) -> None:
    unknown = claim(playground.namespace, "unknown", "1Gi")
    unknown["spec"]["storageClassName"] = "no-such-class"
    playground.create(unknown)
    query = ["get", "events", "--field-selector=involvedObject.name=unknown", "--output=jsonpath={..message}"]
    wait_until(
        "the event", lambda: '"no-such-class" not found' in playground.kubectl(*query), seconds=SECONDS
    )
    assert playground.get("persistentvolumeclaim", "unknown")["status"]["phase"] == "Pending"


def test_a_deleted_claim_takes_its_volume_with_it(playground: Playground) -> None:
    playground.create(claim(playground.namespace, "short-lived", "1Gi"))
    query = ["get", "persistentvolumeclaim", "short-lived", "--output=jsonpath={.spec.volumeName}"]
    wait_until("the volume", lambda: playground.kubectl(*query) != "", seconds=SECONDS)
    volume = playground.kubectl(*query)
    playground.kubectl("delete", "persistentvolumeclaim", "short-lived")
    playground.kubectl("wait", "--for=delete", f"persistentvolume/{volume}", f"--timeout={SECONDS}s")


def test_gpus_are_counted(playground: Playground) -> None:
    playground.create(
        playground.pod("all-gpus", gpus=GPUS_PER_NODE),
        playground.pod("too-many-gpus", gpus=GPUS_PER_NODE + 1),
    )
    playground.wait_ready("all-gpus")

    def refused() -> bool:
        conditions = playground.get("pod", "too-many-gpus")["status"].get("conditions", [])
        return any(f"Insufficient {GPU_RESOURCE}" in condition.get("message", "") for condition in conditions)

    wait_until("the scheduler's refusal", refused, seconds=SECONDS)
    playground.kubectl("delete", "pod", "all-gpus", "too-many-gpus")


def test_a_request_is_in_the_audit_log_once(playground: Playground) -> None:
    name = f"audited-{uuid.uuid4().hex[:8]}"
    playground.kubectl("create", "configmap", name)

    def lines() -> list[dict[str, Any]]:
        text = playground.cluster.audit_log().read_text()
        return [json.loads(line) for line in text.splitlines() if name in line]

    wait_until("the audit line", lambda: bool(lines()), seconds=SECONDS)
    (line,) = lines()
    assert (line["verb"], line["stage"], line["level"]) == ("create", "ResponseComplete", "Metadata")
    assert line["userAgent"].startswith("kubectl/")
    assert line["user"]["username"]


def test_a_killed_container_reports_sigkill_and_restarts(playground: Playground) -> None:
    playground.create(playground.pod("victim"))
    playground.wait_ready("victim")
    playground.cluster.kill_container(playground.namespace, "victim")

    def restarted() -> bool:
        (status,) = playground.get("pod", "victim")["status"]["containerStatuses"]
        ended = status["lastState"].get("terminated", {})
        return bool(status["ready"]) and ended.get("exitCode") == 137

    wait_until("the restart after exit code 137", restarted, seconds=SECONDS)
    playground.kubectl("delete", "pod", "victim")


def test_the_kernel_kills_the_chosen_process_for_memory(playground: Playground) -> None:
    playground.create(playground.pod("greedy", restartPolicy="Never"))
    playground.wait_ready("greedy")
    container = playground.cluster.container(playground.namespace, "greedy")
    container.exhaust_memory(container.main)
    reason = "--output=jsonpath={.status.containerStatuses[0].state.terminated.reason}"
    wait_until(
        "the end for memory",
        lambda: playground.kubectl("get", "pod", "greedy", reason) == "OOMKilled",
        seconds=SECONDS,
    )
    playground.kubectl("delete", "pod", "greedy")


def test_a_process_is_stopped_and_goes_on(playground: Playground) -> None:
    container = playground.cluster.container(playground.namespace, "second")
    (server,) = (process for process in container.processes() if process.pid == container.main)
    assert server.name == playground.run("second", "cat", "/proc/1/comm").strip()

    def state() -> str:
        status = playground.run("second", "cat", "/proc/1/status")
        return next(line for line in status.splitlines() if line.startswith("State:")).split()[1]

    container.signal(signal.SIGSTOP, server.pid)
    assert state() == "T"
    container.signal(signal.SIGCONT)
    wait_until("it to go on", lambda: state() == "S", seconds=SECONDS)


def test_a_disk_is_slow_until_it_is_not(playground: Playground) -> None:
    container = playground.cluster.container(playground.namespace, "second")
    device = block_device(playground.cluster.volume_folder(playground.namespace, "shared"))
    write = ("dd", "if=/dev/zero", "of=/shared/slow", "bs=1M", "count=4", "conv=fsync")

    def seconds() -> float:
        started = time.monotonic()
        playground.run("second", *write)
        return time.monotonic() - started

    container.limit_writes(device, 2**20)
    try:
        assert seconds() > 3, "4 MiB at 1 MiB a second"
    finally:
        container.limit_writes(device, None)
    wait_until("the disk to be quick again", lambda: seconds() < 3, seconds=SECONDS)


def test_a_limited_volume_runs_full_and_is_freed(playground: Playground) -> None:
    cluster, namespace = playground.cluster, playground.namespace
    folder = ensure_claim(cluster, namespace, "small", "1Gi")
    cluster.limit_volume(namespace, "small", 32)
    try:
        volume = {"name": "shared", "persistentVolumeClaim": {"claimName": "small"}}
        playground.create(playground.pod("writer", volumes=[volume]))
        playground.wait_ready("writer")
        write = ("sh", "-c", "head -c 1M /dev/zero > /shared/file")
        disks.fill(folder)
        with pytest.raises(ClusterError, match="No space left on device"):
            playground.run("writer", *write)
        disks.free(folder)
        playground.run("writer", *write)
        playground.kubectl("delete", "pod", "writer")
    finally:
        cluster.unlimit_volume(namespace, "small")


def test_up_leaves_a_healthy_cluster_alone(playground: Playground) -> None:
    before = playground.get("pod", "first")
    playground.cluster.up()
    after = playground.get("pod", "first")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]


@pytest.mark.chaos
def test_a_killed_node_is_noticed_and_comes_back(playground: Playground) -> None:
    cluster, node = playground.cluster, playground.cluster.nodes[1]

    def ready() -> str:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        return cluster.kubectl("get", "node", node, f"--output=jsonpath={path}")

    cluster.kill_node(node)
    try:
        wait_until(f"{node} to be lost", lambda: ready() == "Unknown", seconds=90)
    finally:
        cluster.revive_node(node)
    assert ready() == "True"
    assert cluster.status().healthy, "its GPUs came back with it"
    restarts = "--output=jsonpath={.status.containerStatuses[0].restartCount}"
    wait_until(
        "the pod to restart", lambda: playground.kubectl("get", "pod", "second", restarts) == "1", seconds=60
    )
    playground.wait_ready("second")
    assert playground.run("second", "python3", "-c", FETCH, "http://first.headless:8000") == "200"


@pytest.mark.chaos
@pytest.mark.parametrize("part", ["apiserver", "etcd"])
def test_a_killed_control_plane_loses_nothing(playground: Playground, part: str) -> None:
    cluster = playground.cluster
    uid = playground.get("pod", "first")["metadata"]["uid"]
    getattr(cluster, f"kill_{part}")()
    try:
        with pytest.raises(ClusterError):
            cluster.kubectl("get", "namespaces", "--request-timeout=3s")
    finally:
        getattr(cluster, f"revive_{part}")()
    assert playground.get("pod", "first")["metadata"]["uid"] == uid
    assert cluster.status().healthy


@pytest.mark.parametrize("verb", ["kill_node", "revive_node"])
def test_an_unknown_node_is_refused_with_the_known_ones(cluster: Cluster, verb: str) -> None:
    with pytest.raises(ClusterError, match=f"no node 'n9'; there are {', '.join(cluster.nodes)}"):
        getattr(cluster, verb)("n9")

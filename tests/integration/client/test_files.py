"""Files of volumes, through a helper pod on the real cluster, over lines that break."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import objects
from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.cluster.shell import wait_until
from tests.helpers.cutting_proxy import CuttingProxy
from tests.helpers.definition import install_definition
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names
from trainingrun_client.connection import Connection, connect
from trainingrun_client.errors import ForbiddenError, InputError, NotFoundError, TransferError
from trainingrun_client.files import Kind, Silent, Summary, Volume, create_claim, helper_pod
from trainingrun_client.files.commands import Command

pytestmark = pytest.mark.cluster

MIB = 1 << 20
CLAIM = "files"
HELPERS = "app.kubernetes.io/name=trainingrun-files"
ODD_NAMES = ("with a space", "ümläut.txt", "-rf", "two\nlines", "$(x)`\"'", "*", "a" * 200, ".hidden")


@dataclass(frozen=True)
class Place:
    """A namespace with a claim."""

    runs: Runs
    image: str
    folder: Path
    """The claim's, on this machine."""

    @property
    def kubeconfig(self) -> Path:
        return self.runs.cluster.kubeconfig

    def connection(self, kubeconfig: Path | None = None) -> Connection:
        return connect(kubeconfig=kubeconfig or self.kubeconfig, namespace=self.runs.namespace)

    def volume(self, kubeconfig: Path | None = None, **options: Any) -> Volume:
        return Volume(self.connection(kubeconfig), CLAIM, image=self.image, **options)

    def helpers(self) -> list[dict[str, Any]]:
        return self.runs.items("pods", HELPERS)


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """Its namespace enforces Pod Security `restricted`."""
    install_definition(cluster)
    name = f"files-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    runs = Runs(cluster, name)
    runs.apply(objects.claim(name, CLAIM, "4Gi"))
    yield Place(runs, cluster.load_image(build("base")), cluster.volume_folder(name, CLAIM))
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def blocks(path: Path, mebibytes: int, tail: bytes = b"") -> str:
    """Fills a file with blocks that all differ, quickly; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, random = hashlib.sha256(), os.urandom(MIB - 8)
    with path.open("wb") as file:
        for number in range(mebibytes):
            block = number.to_bytes(8, "big") + random
            digest.update(block)
            file.write(block)
        file.write(tail)
    digest.update(tail)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content(folder: Path) -> dict[str, str]:
    """Each path below a folder with its checksum; of directories without one."""
    return {
        str(path.relative_to(folder)): sha256(path) if path.is_file() else "" for path in folder.rglob("*")
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory of everything that may make trouble."""
    top = tmp_path / "tree"
    (top / "empty directory").mkdir(parents=True)
    (top / "empty").touch()
    for name in ODD_NAMES:
        (top / name).write_bytes(os.urandom(10))
        (top / "deeper" / name).mkdir(parents=True)
        (top / "deeper" / name / "file").write_text(name, encoding="utf-8")
    (top / os.fsdecode(b"latin\xff")).write_text("no UTF-8")
    for number in range(300):
        (top / f"many-{number}").write_text(str(number))
    blocks(top / "large", 70, b"and a tail")
    return top


def test_a_tree_of_odd_names_comes_back_as_it_was(place: Place, tree: Path, tmp_path: Path) -> None:
    with place.volume(writable=True) as volume:
        files = sum(path.is_file() for path in tree.rglob("*"))
        first = volume.put([tree], "some/where")
        again = volume.put([tree], "some/where")
        assert (first.moved, first.skipped, again.moved, again.skipped) == (files, 0, 0, files)
        listed = {entry.path: entry for entry in volume.ls("some/where")}
        there, back = volume.get(["some"], tmp_path / "back"), volume.get(["some"], tmp_path / "back")
    assert (there.moved, there.skipped, back.moved, back.skipped) == (files, 0, 0, files)
    assert content(tmp_path / "back/some/where/tree") == content(tree)
    assert listed["some/where/tree/large"].size == (tree / "large").stat().st_size
    assert listed["some/where/tree/empty directory"].kind == Kind.DIRECTORY


def test_a_gibibyte_is_intact_though_its_connection_breaks(place: Place, tmp_path: Path) -> None:
    digest = blocks(place.folder / "gibibyte", 1024)
    with CuttingProxy(place.kubeconfig, every=150 * MIB, cuts=5) as proxy:
        with place.volume(proxy.write_kubeconfig(tmp_path / "kubeconfig")) as volume:
            done = volume.get(["gibibyte"], tmp_path)
        assert proxy.cuts == 5
        assert proxy.received < 1100 * MIB, "a cut costs no more than what was on its way"
    assert (done.moved, sha256(tmp_path / "gibibyte")) == (1, digest)
    (place.folder / "gibibyte").unlink()


def test_a_push_is_intact_though_its_connection_breaks(place: Place, tmp_path: Path) -> None:
    digest = blocks(tmp_path / "pushed", 150, b"tail")
    with CuttingProxy(place.kubeconfig, every=40 * MIB, cuts=3) as proxy:
        with place.volume(proxy.write_kubeconfig(tmp_path / "kubeconfig"), writable=True) as volume:
            done = volume.put([tmp_path / "pushed"])
        assert proxy.cuts == 3
    assert (done.moved, sha256(place.folder / "pushed")) == (1, digest)
    assert not (place.folder / "pushed.part").exists()


@pytest.mark.parametrize(
    ("damage", "most"),
    [
        pytest.param(lambda data: data[: 30 * MIB], 12, id="a part that is right goes on"),
        pytest.param(lambda data: b"x" + data[1 : 30 * MIB], 45, id="a damaged part begins anew"),
        pytest.param(lambda data: data + b"more", 45, id="a part that is too long begins anew"),
    ],
)
def test_a_part_is_judged_by_its_checksum(place: Place, tmp_path: Path, damage: Any, most: int) -> None:
    digest = blocks(place.folder / "parted", 40)
    part = damage((place.folder / "parted").read_bytes())
    (tmp_path / "parted.part").write_bytes(part)
    with CuttingProxy(place.kubeconfig) as proxy:
        with place.volume(proxy.write_kubeconfig(tmp_path / "kubeconfig")) as volume:
            volume.get(["parted"], tmp_path)
        assert proxy.received < most * MIB
    assert sha256(tmp_path / "parted") == digest
    (place.folder / "up").mkdir(mode=0o777, exist_ok=True)
    (place.folder / "up").chmod(0o777)
    (place.folder / "up/parted").unlink(missing_ok=True)
    (place.folder / "up/parted.part").write_bytes(part)
    (place.folder / "up/parted.part").chmod(0o666)
    with CuttingProxy(place.kubeconfig) as proxy:
        with place.volume(proxy.write_kubeconfig(tmp_path / "kubeconfig"), writable=True) as volume:
            volume.put([tmp_path / "parted"], "up")
        assert proxy.sent < most * MIB
    assert sha256(place.folder / "up/parted") == digest


def test_nothing_leads_out_of_the_directory(place: Place, tmp_path: Path) -> None:
    run, beside = place.folder / "run", place.folder / "beside"
    for folder in (run, beside):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    (run / "inside").symlink_to("file")
    (run / "outside").symlink_to("../beside/file")
    (run / "nowhere").symlink_to("nothing")
    said: list[str] = []

    class Said(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    with place.volume(directory="run", progress=Said()) as volume:
        volume.get(["."], tmp_path / "to")
        for path, error in (("outside", TransferError), ("../beside/file", InputError), ("/etc", InputError)):
            with pytest.raises(error):
                volume.get([path], tmp_path / "to")
        (tmp_path / "to/sub").symlink_to(tmp_path)
        (run / "sub").mkdir()
        (run / "sub/file").write_text("sub")
        with pytest.raises(InputError, match="symbolic link"):
            volume.get(["sub"], tmp_path / "to")
        assert volume.read_bytes("inside") == b"run"
    assert content(tmp_path / "to") == {
        "file": sha256(run / "file"),
        "inside": sha256(run / "file"),
        "sub": "",
    }
    assert sorted(text.split()[2] for text in said) == ["nowhere", "outside"]


@pytest.fixture
def run(place: Place) -> Iterator[Path]:
    """The directory of a run that is over."""
    name = f"done-{uuid.uuid4().hex[:6]}"
    spec = {
        "image": place.image,
        "command": ["true"],
        "resources": {"gpus": 0},
        "checkpoints": {"claim": CLAIM},
        "suspend": True,
    }
    place.runs.apply(manifest(name, spec))
    directory = names.run_directory(name, place.runs.get("tr", name)["metadata"]["uid"])
    status = {"phase": "Completed", "checkpointClaim": CLAIM, "runDirectory": directory}
    patch = (
        "patch",
        "tr",
        name,
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": status}),
    )
    place.runs.kubectl(*patch)
    folder = place.folder / Path(directory).name
    folder.mkdir()
    (folder / "checkpoints").mkdir()
    (folder / "results.json").write_text("{}")
    (folder / "checkpoints/best.ckpt").write_text("weights")
    yield folder
    place.runs.kubectl("delete", "tr", name)


def program(place: Place, *arguments: str, folder: Path) -> subprocess.Popen[str]:
    """`kubectl trainingrun`."""
    where = ("--kubeconfig", str(place.kubeconfig), "-n", place.runs.namespace, "--image", place.image)
    return subprocess.Popen(
        [sys.executable, "-m", "trainingrun_client.cli", *arguments, *where],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_files_of_a_run_without_and_with_checkpoints(place: Place, run: Path, tmp_path: Path) -> None:
    name = run.name.rpartition("-")[0]
    listed = program(place, "artifacts", "ls", name, "-o", "json", folder=tmp_path)
    files = [entry["path"] for entry in json.loads(listed.communicate()[0]) if entry["kind"] == "file"]
    assert files == ["checkpoints/best.ckpt", "results.json"]
    for options, expected in (((), {"results.json"}), (("--checkpoints",), set(files))):
        fetched = program(place, "artifacts", "get", name, *options, folder=tmp_path)
        _, said = fetched.communicate()
        assert fetched.returncode == 0, said
        assert {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*.*")} == expected
    assert place.helpers() == []


def test_ctrl_c_leaves_no_pod_and_the_next_get_goes_on(place: Place, run: Path, tmp_path: Path) -> None:
    name = run.name.rpartition("-")[0]
    digest = blocks(run / "large", 600)
    part = tmp_path / name / "large.part"
    fetching = program(place, "artifacts", "get", name, folder=tmp_path)
    wait_until("some bytes", lambda: part.exists() and part.stat().st_size > 40 * MIB, seconds=60, every=0.05)
    fetching.send_signal(signal.SIGINT)
    _, said = fetching.communicate(timeout=30)
    assert fetching.returncode == 130, said
    assert "Traceback" not in said
    wait_until("no pod", lambda: place.helpers() == [], seconds=20)
    assert part.stat().st_size > 40 * MIB
    fetching = program(place, "artifacts", "get", name, folder=tmp_path)
    _, said = fetching.communicate(timeout=120)
    assert fetching.returncode == 0, said
    assert sha256(tmp_path / name / "large") == digest
    (run / "large").unlink()


@pytest.mark.parametrize("lacking", ["pods", "pods/exec"])
def test_a_user_who_may_not_is_told_what_is_missing(place: Place, tmp_path: Path, lacking: str) -> None:
    user = f"user-{uuid.uuid4().hex[:6]}"
    granted = ",".join({"pods", "pods/exec", "persistentvolumeclaims"} - {lacking})
    place.runs.kubectl("create", "serviceaccount", user)
    place.runs.kubectl("create", "role", user, "--verb=get,create,delete,list", f"--resource={granted}")
    place.runs.kubectl(
        "create", "rolebinding", user, f"--role={user}", f"--serviceaccount={place.runs.namespace}:{user}"
    )
    config = json.loads(place.runs.kubectl("config", "view", "--raw", "-o", "json"))
    config["users"][0]["user"] = {"token": place.runs.kubectl("create", "token", user).strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    words = f'cannot .* "{lacking}".*takes the permissions to create'
    with pytest.raises(ForbiddenError, match=words), place.volume(tmp_path / "kubeconfig") as volume:
        volume.ls()
    wait_until("no pod", lambda: place.helpers() == [], seconds=20)


def test_why_no_pod_starts_is_told(place: Place) -> None:
    connection = place.connection()
    create_claim(connection, place.runs.namespace, "unbound", "1Gi", storage_class="none")
    cases = [
        (Volume(connection, "unbound", image=place.image, timeout=3), TransferError, "PersistentVolumeClaim"),
        (Volume(connection, CLAIM, image="localhost:1/none:1", timeout=5), TransferError, "Image"),
        (Volume(connection, "missing", image=place.image), NotFoundError, '"missing" not found'),
    ]
    for volume, kind, words in cases:
        with pytest.raises(kind, match=words), volume:
            pass
    assert place.helpers() == []


def test_the_pod_goes_where_the_claim_is(place: Place, tmp_path: Path) -> None:
    create_claim(place.connection(), place.runs.namespace, "single", "1Gi")
    with Volume(place.connection(), "single", image=place.image) as volume:
        (first,) = place.helpers()
        with Volume(place.connection(), "single", image=place.image):
            assert [pod["spec"]["nodeName"] for pod in place.helpers()] == [first["spec"]["nodeName"]] * 2
        assert volume.ls() == []
    assert first["spec"].get("affinity") is None


def test_a_forgotten_pod_ends_by_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_pod, "IDLE_SECONDS", 4)
    monkeypatch.setattr(helper_pod, "SAMPLE_SECONDS", 1)
    with place.volume() as volume:
        volume._shell.ask(Command("sleep 8"), ["."])
        (pod,) = place.helpers()
        assert pod["status"]["phase"] == "Running", "a command was at work"
        wait_until("its end", lambda: place.helpers()[0]["status"]["phase"] == "Succeeded", seconds=30)
        with pytest.raises(TransferError, match=r"gone|completed"):
            volume.ls()


def test_a_full_volume_says_so_and_keeps_what_arrived(place: Place, tmp_path: Path) -> None:
    create_claim(place.connection(), place.runs.namespace, "small", "1Gi", access_mode="ReadWriteMany")
    blocks(tmp_path / "large", 40)
    cluster = place.runs.cluster
    cluster.limit_volume(place.runs.namespace, "small", 10)
    try:
        with (
            Volume(place.connection(), "small", image=place.image, writable=True) as volume,
            pytest.raises(TransferError, match="No space left"),
        ):
            volume.put([tmp_path / "large"])
    finally:
        cluster.unlimit_volume(place.runs.namespace, "small")


def test_files_that_are_written_meanwhile_are_whole(place: Place, tmp_path: Path) -> None:
    """As metrics.json and the logs of a run that goes on."""
    with place.volume() as volume:
        summary: Summary | None = None
        end = time.monotonic() + 3
        while time.monotonic() < end:
            with (place.folder / "log").open("a") as log:
                log.write("x" * 1000)
            summary = volume.get(["log"], tmp_path)
        assert summary is not None
        assert (tmp_path / "log").read_bytes() == (place.folder / "log").read_bytes()

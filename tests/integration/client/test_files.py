"""Files of volumes, through a helper pod on the real cluster, over lines that break."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.shell import wait_until
from tests.helpers.cutting_proxy import CuttingProxy
from tests.helpers.runs import manifest
from tests.integration.client.place import CLAIM, MIB, Place, blocks, content, sha256
from trainingrun_api import names
from trainingrun_client.errors import InputError, TransferError
from trainingrun_client.files import Kind, Silent, Summary, Volume, create_claim

pytestmark = pytest.mark.cluster

ODD_NAMES = ("with a space", "ümläut.txt", "-rf", "two\nlines", "$(x)`\"'", "*", "a" * 200, ".hidden")


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
        with pytest.raises(InputError, match=f"the claim {CLAIM} has no file sub/missing"):
            volume.get(["file", "sub/missing"], tmp_path / "to")
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

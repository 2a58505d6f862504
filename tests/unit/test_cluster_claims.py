"""What a folder is like once it is in a claim, with real files; and how a refusal is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api import ClusterError
from tests.cluster.claims import copy_readable, put_folder


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that nobody else may read, with a program in it."""
    folder = tmp_path / "private"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "data").write_text("new")
    (folder / "program").write_text("")
    for path, mode in ((folder / "sub" / "data", 0o600), (folder / "program", 0o700)):
        path.chmod(mode)
    for path in (folder / "sub", folder):
        path.chmod(0o700)
    return folder


def test_what_is_copied_can_be_read_by_all_and_the_rest_stays(private: Path, tmp_path: Path) -> None:
    target = tmp_path / "volume"
    target.mkdir()
    target.chmod(0o777)
    (target / "sub").mkdir(mode=0o700)
    (target / "sub" / "data").write_text("an older, longer text")
    (target / "of-a-pod").touch(mode=0o600)
    copy_readable(private, target)
    assert modes(target) == {"of-a-pod": 0o600, "program": 0o744, "sub": 0o755, "sub/data": 0o644}
    assert (target / "sub" / "data").read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o777, "pods could no longer write into the volume"


class OneVolume:
    """A cluster whose only claim is bound to a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kubectl(self, *args: str) -> str:
        if "persistentvolume" in args:
            return json.dumps({"spec": {"hostPath": {"path": str(self._folder)}}})
        return {"--output=jsonpath={.status.phase}": "Bound"}.get(args[-1], "digits")


def test_a_refusal_names_the_claim_the_reason_and_the_remedy(private: Path, tmp_path: Path) -> None:
    in_the_way = tmp_path / "volume" / "program"
    in_the_way.mkdir(parents=True)
    cluster: Any = OneVolume(tmp_path / "volume")
    with pytest.raises(ClusterError) as caught:
        put_folder(cluster, private, "team", "digits", "1Gi")
    for words in ("team/digits", "Is a directory", str(in_the_way), "run this as root"):
        assert words in str(caught.value)

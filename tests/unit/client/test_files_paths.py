"""No path leads anywhere but below its directory."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from trainingrun_client.errors import InputError
from trainingrun_client.files.paths import claim_path, inner_path, joined, local_path, refuse_clashes
from trainingrun_client.files.shell import item


@pytest.mark.parametrize(
    ("text", "path"),
    [("a/b", "a/b"), ("./a//b/", "a/b"), (".", "."), ("", "."), ("-rf", "-rf"), ("a..b/...", "a..b/...")],
)
def test_a_path_is_normalized(text: str, path: str) -> None:
    assert inner_path(text) == path
    assert item(text) == f"./{path}"


@pytest.mark.parametrize("text", ["/a", "..", "../a", "a/../../b", "a/..", "a\0b"])
def test_a_path_that_leads_out_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="below the directory"):
        inner_path(text)


def test_paths_are_joined_within_a_directory() -> None:
    assert joined("d/e", "f") == "d/e/f"
    assert joined(".", "f") == "f"
    with pytest.raises(InputError):
        joined("d", "/etc/passwd")


@pytest.mark.parametrize(
    ("directory", "path"), [("/checkpoints/chest-0a1b2c3d", "chest-0a1b2c3d"), ("/checkpoints", ".")]
)
def test_a_run_directory_lies_in_its_claim(directory: str, path: str) -> None:
    assert claim_path(directory) == path


@pytest.mark.parametrize("directory", ["/etc", "/checkpoints/../etc", "relative"])
def test_a_run_directory_elsewhere_is_refused(directory: str) -> None:
    with pytest.raises(InputError):
        claim_path(directory)


def test_a_link_of_this_machine_leads_no_file_out(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to/out").symlink_to(tmp_path)
    (tmp_path / "to/in").symlink_to("deeper")
    (tmp_path / "to/folder").mkdir()
    assert local_path(tmp_path / "to", "a/b") == tmp_path / "to/a/b"
    assert local_path(tmp_path / "to", "in/b") == tmp_path / "to/in/b"
    with pytest.raises(InputError, match="symbolic link"):
        local_path(tmp_path / "to", "out/b")
    with pytest.raises(InputError, match="is a directory"):
        local_path(tmp_path / "to", "folder")


@pytest.mark.parametrize("paths", [["a", "b.part"], ["a.part"], ["d/a", "a.part"]])
def test_parts_of_no_other_file_may_come(paths: Sequence[str]) -> None:
    refuse_clashes(paths)


def test_two_files_are_never_one_part() -> None:
    with pytest.raises(InputError, match=r"d/a and d/a\.part"):
        refuse_clashes(["d/a.part", "d/a"])

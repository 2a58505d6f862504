"""What is pushed, and under which names."""

import os
from pathlib import Path

import pytest

from trainingrun_client.errors import InputError
from trainingrun_client.files.sources import gathered


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d/sub/empty").mkdir(parents=True)
    (tmp_path / "d/sub/b").write_text("bb")
    (tmp_path / "a").write_text("a")
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "directory", "files", "directories"),
    [
        (["a"], ".", ["a"], ["."]),
        (["a"], "x/y", ["x/y/a"], ["x/y"]),
        (["d", "a"], ".", ["d/sub/b", "a"], [".", "d", "d/sub", "d/sub/empty"]),
        (["d/"], "x", ["x/d/sub/b"], ["x", "x/d", "x/d/sub", "x/d/sub/empty"]),
        (["d/sub"], "x", ["x/sub/b"], ["x", "x/sub", "x/sub/empty"]),
        (["."], "x", ["x/a", "x/d/sub/b"], ["x", "x/d", "x/d/sub", "x/d/sub/empty"]),
    ],
)
def test_names_are_as_cp_gives_them(
    here: Path, sources: list[str], directory: str, files: list[str], directories: list[str]
) -> None:
    found, made = gathered([Path(source) for source in sources], directory, print)
    assert [file.path for file in found] == files
    assert made == directories
    assert all(file.size == file.local.stat().st_size for file in found)


def test_links_to_files_stand_for_them_and_others_are_left_out(here: Path) -> None:
    (here / "d/file").symlink_to("sub/b")
    (here / "d/folder").symlink_to("sub")
    (here / "d/nowhere").symlink_to("nothing")
    (here / "d/outside").symlink_to(here / "a")
    os.mkfifo(here / "d/pipe")
    said: list[str] = []
    files, _ = gathered([Path("d")], ".", said.append)
    assert {file.path: file.size for file in files} == {"d/file": 2, "d/sub/b": 2}
    assert sorted(said) == [
        "left out: d/folder is no file",
        "left out: d/nowhere is no file",
        "left out: d/pipe is no file",
        f"left out: the link d/outside -> {here / 'a'} leads out of d",
    ]


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["missing"], "there is no missing"),
        (["a", "d/../a"], "would both become a"),
        ([".."], "below"),
        (["/dev/null"], "/dev/null is neither a file nor a directory"),
        (["pipe"], "pipe is neither"),
    ],
)
def test_what_cannot_be_pushed_is_refused(here: Path, sources: list[str], words: str) -> None:
    os.mkfifo(here / "pipe")
    with pytest.raises(InputError, match=words):
        gathered([Path(source) for source in sources], ".", print)

"""Names of tables find their files, or it is said why not."""

from pathlib import Path

import pytest

from trainingrun_trainer.data.folder import Folder, find_all
from trainingrun_trainer.data.images import Unreadable
from trainingrun_trainer.errors import BadData

FILES = ["a.png", "b.PNG", "deep/c.jpeg", "scan.2020.tif", "liver.nii.gz", "two.png", "two.jpg", "._a.bmp"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("a.jpg", "a.png"),
        ("b.png", "b.PNG"),
        ("deep/c", "deep/c.jpeg"),
        ("scan.2020", "scan.2020.tif"),
        ("liver", "liver.nii.gz"),
        ("liver.npy", "liver.nii.gz"),
        ("two.jpg", "two.jpg"),
    ],
)
def test_a_name_finds_its_file(images: Path, name: str, found: str) -> None:
    assert Folder(images).find(name) == images / found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("c", "is not in images/"),
        ("deep", "is not in images/"),
        ("scan", "is not in images/"),
        ("two", "may be two.jpg or two.png"),
    ],
)
def test_a_name_without_a_file_is_refused(images: Path, name: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        Folder(images).find(name)


def test_the_first_ten_missing_files_are_named_together(images: Path) -> None:
    names = ["a.png", *(f"missing{number}" for number in range(11))]
    with pytest.raises(BadData) as refused:
        find_all(images, names, [f"row {number}" for number in range(len(names))])
    assert refused.value.message.startswith("11 problems, the first 10: row 1 is not in images/; row 2")
    assert refused.value.advice


def test_a_file_that_two_names_find_is_named(images: Path) -> None:
    with pytest.raises(BadData, match="row 3 is the same file as row 1"):
        find_all(images, ["a.png", "b", "./a.jpg"], ["row 1", "row 2", "row 3"])


def test_a_missing_directory_has_no_files(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is not in images/"):
        Folder(tmp_path / "images").find("a.png")

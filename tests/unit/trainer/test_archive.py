"""A ZIP from anywhere is unpacked whole and harmlessly, or refused before a byte is written."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trainingrun_api.training import ArchiveLimits
from trainingrun_trainer.data import archive
from trainingrun_trainer.errors import BadData

SMALL = ArchiveLimits(max_members=3, max_gibibytes=1, max_ratio=50)


def member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def packed(path: Path, *members: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for info, content in members:
            opened.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([(member("../outside"), b"x")], "outside of its directory"),
        ([(member("images/../../outside"), b"x")], "outside of its directory"),
        ([(member("/etc/outside"), b"x")], "outside of its directory"),
        ([(member("..\\outside"), b"x")], "outside of its directory"),
        ([(member("C:/outside"), b"x")], "outside of its directory"),
        ([(member("images/link", stat.S_IFLNK | 0o777), b"/etc/passwd")], "a link or a special file"),
        ([(member("images/pipe", stat.S_IFIFO | 0o644), b"")], "a link or a special file"),
        ([(member(f"images/{number}"), b"x") for number in range(4)], "above data.limits.maxMembers (3)"),
        ([(member("metadata.csv"), bytes(1_000_000))], "above data.limits.maxRatio (50)"),
        ([(member("a"), b"x"), (member("a/b"), b"x")], "both a file and a directory"),
        ([(member("a" * 256), b"x")], "cannot be unpacked"),
    ],
)
def test_an_attack_is_refused_and_named(
    tmp_path: Path, members: list[tuple[zipfile.ZipInfo, bytes]], said: str
) -> None:
    path = packed(tmp_path / "data.zip", *members)
    inside = tmp_path / "inside"
    inside.mkdir()

    with pytest.raises(BadData) as refused:
        archive.extract(path, inside, SMALL)

    assert said in refused.value.message
    assert refused.value.advice
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data.zip", "inside"]


def test_more_than_the_limit_is_refused_by_the_declared_size() -> None:
    huge = member("images/huge.png")
    huge.file_size = huge.compress_size = 2**30 + 1
    with pytest.raises(BadData, match=r"above|more than data.limits.maxGibibytes \(1\)"):
        archive.check([huge], SMALL)


def test_a_name_that_occurs_twice_is_refused() -> None:
    with pytest.raises(BadData, match=r"'images/a.png' twice"):
        archive.check([member("images/a.png"), member("images/a.png")], SMALL)


def test_an_encrypted_member_is_refused() -> None:
    secret = member("images/a.png")
    secret.flag_bits |= archive.ENCRYPTED
    with pytest.raises(BadData, match="encrypted"):
        archive.check([secret], SMALL)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def text(path: Path) -> None:
    path.write_text("no archive")


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 97])
def test_a_member_that_does_not_decompress_is_refused(tmp_path: Path, compression: int) -> None:
    path = packed(tmp_path / "data.zip", (member("metadata.csv"), bytes(range(256)) * 4))
    content = bytearray(path.read_bytes())
    for start, offset in ((content.index(b"PK\3\4"), 8), (content.index(b"PK\1\2"), 10)):
        content[start + offset : start + offset + 2] = compression.to_bytes(2, "little")
    content[60:100] = b"\xff" * 40
    path.write_bytes(content)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(BadData, match=r"metadata.csv' (is damaged|cannot be unpacked)"):
        archive.extract(path, inside, SMALL)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (truncated, "not an intact ZIP"),
        (text, "not an intact ZIP"),
        (damaged, "damaged"),
        (Path.unlink, "is not a file"),
    ],
)
def test_what_is_no_intact_zip_is_refused(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    path = packed(tmp_path / "data.zip", (member("metadata.csv"), bytes(range(256)) * 4))
    spoil(path)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(BadData, match=said):
        archive.extract(path, inside, SMALL)


def test_an_honest_archive_is_unpacked_byte_for_byte(tmp_path: Path) -> None:
    content = {"metadata.csv": b"filename,label\n", "images/a.png": bytes(range(256))}
    path = packed(tmp_path / "data.zip", *((member(name), data) for name, data in content.items()))
    inside = tmp_path / "inside"
    inside.mkdir()
    archive.extract(path, inside, SMALL)
    files = {str(file.relative_to(inside)): file.read_bytes() for file in inside.rglob("*") if file.is_file()}
    assert files == content


@pytest.mark.parametrize("folder", ["", "data/", "my/data/"])
def test_data_may_lie_in_a_folder_beside_what_systems_add(tmp_path: Path, folder: str) -> None:
    names = [
        f"{folder}metadata.csv",
        f"{folder}images/a.png",
        f"__MACOSX/{folder}._metadata.csv",
        ".DS_Store",
        "desktop.ini",
        "Thumbs.db",
    ]
    path = packed(tmp_path / "data.zip", *((member(name), b"x") for name in names))
    inside = tmp_path / "inside"
    inside.mkdir()
    archive.extract(path, inside, ArchiveLimits())
    assert sorted(entry.name for entry in archive.root(inside).iterdir()) == ["images", "metadata.csv"]

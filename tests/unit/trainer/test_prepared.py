"""Data that is there but may not be read is the user's to mend, and said so."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trainingrun_api import TrainingConfig
from trainingrun_trainer import config as configs
from trainingrun_trainer.data import archive
from trainingrun_trainer.data.classification import prepare
from trainingrun_trainer.errors import BadData, ScratchFull

SOMEBODY = 1000


def parse(data_format: str, path: str) -> TrainingConfig:
    return configs.parse({"task": "classification", "data": {"format": data_format, "path": path}})


@contextmanager
def without_privileges() -> Iterator[None]:
    """The rights of an ordinary user: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("data_format", ["zip", "directory"])
def test_unreadable_data_is_bad_data_that_names_the_path(tmp_path: Path, data_format: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    config = parse(data_format, str(secret / "data"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
        folder.chmod(0o711)
    secret.chmod(0)
    with without_privileges(), pytest.raises(BadData, match=rf"{secret}/data .* user \d+"):
        prepare(config, scratch, threads=1)


@pytest.mark.parametrize(
    ("name", "said"), [("b" * 300, "bbb cannot be read: File name too long"), ("a.png/b", "is not in images")]
)
def test_names_that_no_file_can_have_are_bad_data(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"")
    rows = f"a.png,x,train\n{name},y,train\nc.png,x,val\nd.png,y,val\n"
    (tmp_path / "metadata.csv").write_text(f"filename,label,split\n{rows}")
    with pytest.raises(BadData, match=said):
        prepare(parse("directory", str(tmp_path)), tmp_path, threads=1)


def test_a_full_scratch_volume_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive, "extract", extract)
    config = parse("zip", "/data/digits.zip")
    with pytest.raises(ScratchFull, match=f"in {tmp_path} to unpack /data/digits.zip") as full:
        prepare(config, tmp_path, threads=1)
    assert full.value.advice

"""Data that is there but may not be read is the user's to mend, and said so."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import archive, preparation
from trainingrun_trainer.errors import BadData, ScratchFull

SOMEBODY = 1000


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
    config = DataConfig(format=data_format, path=str(secret / "data"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o777)
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path):
        folder.chmod(0o711)
    secret.chmod(0)
    with without_privileges(), pytest.raises(BadData, match=rf"{secret}/data .* user \d+"):
        preparation.prepare(config, seed=42, scratch=scratch, threads=1)


def test_a_full_scratch_volume_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archive, "extract", extract)
    config = DataConfig(format="zip", path="/data/digits.zip")
    with pytest.raises(ScratchFull, match=f"in {tmp_path} to unpack /data/digits.zip") as full:
        preparation.prepare(config, seed=42, scratch=tmp_path, threads=1)
    assert full.value.advice

"""A `.venv` that cannot be made says why, where the log is, and what to do."""

from pathlib import Path

import pytest

from tests import venv
from tests.cluster import ClusterError


def test_a_failing_step_names_the_log_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho the index does not answer >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setattr(venv, "VENV", tmp_path / "venv")
    monkeypatch.setattr(venv, "LOG", tmp_path / "venv.log")
    monkeypatch.setattr(venv, "pinned_uv", lambda: str(uv))
    assert venv.main([]) == 1
    told = capsys.readouterr().err
    for words in ("FAILED: ", "the index does not answer", str(tmp_path / "venv.log"), venv.ADVICE):
        assert words in told
    assert (tmp_path / "venv.log").read_text() == "the index does not answer\n"


def test_nothing_is_marked_as_done_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venv, "VENV", tmp_path / "venv")
    monkeypatch.setattr(venv, "LOG", tmp_path / "venv.log")
    monkeypatch.setattr(venv, "pinned_uv", lambda: "false")
    with pytest.raises(ClusterError):
        venv.make_venv()
    assert not (tmp_path / "venv").exists()

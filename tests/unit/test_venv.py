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
    place(tmp_path, monkeypatch)
    monkeypatch.setattr(venv, "LOG", tmp_path / "venv.log")
    monkeypatch.setattr(venv, "pinned_uv", lambda: str(uv))
    assert venv.main([]) == 1
    told = capsys.readouterr().err
    for words in ("FAILED: ", "the index does not answer", str(tmp_path / "venv.log"), venv.ADVICE):
        assert words in told
    assert (tmp_path / "venv.log").read_text() == "the index does not answer\n"


def test_nothing_is_marked_as_done_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, monkeypatch)
    monkeypatch.setattr(venv, "LOG", tmp_path / "venv.log")
    monkeypatch.setattr(venv, "pinned_uv", lambda: "false")
    with pytest.raises(ClusterError):
        venv.make_venv()
    assert not (tmp_path / "venv").exists()


def test_a_demo_gets_only_what_it_needs_and_never_less_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    uv.chmod(0o755)
    place(tmp_path, monkeypatch)
    monkeypatch.setattr(venv, "pinned_uv", lambda: str(uv))
    assert venv.main(["demo"]) == 0
    made = calls.read_text()
    assert "demo.txt" in made
    assert "dev.txt" not in made
    assert venv.main(["demo"]) == 0
    assert calls.read_text() == made
    assert venv.main([]) == 0
    completed = calls.read_text()
    assert "dev.txt" in completed.removeprefix(made)
    assert venv.main([]) == venv.main(["demo"]) == 0
    assert calls.read_text() == completed


def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another .venv."""
    made = folder / "venv"
    for name, path in {"VENV": made, "PYTHON": made / "bin" / "python", "STAMP": folder / "stamp"}.items():
        monkeypatch.setattr(venv, name, path)
    monkeypatch.setattr(venv, "LOG", folder / "venv.log")

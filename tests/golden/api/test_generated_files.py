"""The committed definitions are what the models generate: they are never edited by hand."""

from pathlib import Path

import pytest

from tests.cluster.api import TREE
from trainingrun_api.crd import CHART_TEMPLATE, MANIFEST, generated_files, main


@pytest.mark.parametrize("path", [MANIFEST, CHART_TEMPLATE], ids=str)
def test_the_committed_file_is_what_the_models_generate(path: Path) -> None:
    assert (TREE / path).read_text(encoding="utf-8") == generated_files()[path], "run `make crds`"


def test_check_names_the_files_that_drifted_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--check"]) == 1
    assert capsys.readouterr().out.count("run `make crds`") == 2
    assert list(tmp_path.iterdir()) == []


def test_generating_twice_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    capsys.readouterr()
    assert main([]) == 0
    assert capsys.readouterr().out == ""

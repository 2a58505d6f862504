"""What is generated for people who look at metrics is never edited by hand."""

from pathlib import Path

import pytest

from tests.cluster.api import TREE
from trainingrun_monitoring.__main__ import CHART, generated_files, main
from trainingrun_monitoring.metric_tables import TABLES, filled


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TREE)


def test_the_committed_files_are_what_the_definitions_generate() -> None:
    for path, text in generated_files().items():
        assert (TREE / path).read_text(encoding="utf-8") == text, "run `make monitoring`"


def test_the_chart_carries_no_dashboard_that_is_generated_no_more() -> None:
    carried = {path.relative_to(TREE) for path in (TREE / CHART / "dashboards").iterdir()}
    assert carried <= generated_files().keys()


def test_the_document_has_every_table() -> None:
    text = (TREE / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [text.count(f"<!-- table: {name} -->") for name in TABLES] == [1] * len(TABLES)


def test_a_table_that_drifted_is_written_anew() -> None:
    text = "before\n<!-- table: ranks -->\nold\n<!-- end -->\nafter\n"
    new = filled(text)
    assert new.startswith("before\n<!-- table: ranks -->\n| Metric | Type |")
    assert new.endswith("<!-- end -->\nafter\n")
    assert "old" not in new
    assert filled(new) == new
    with pytest.raises(KeyError):
        filled(text.replace("ranks", "nobodys"))


def test_check_names_a_file_that_drifted_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    document = tmp_path / "docs" / "metrics.md"
    document.parent.mkdir()
    document.write_text("<!-- table: ranks -->\n<!-- end -->\n")
    assert main(["--check"]) == 1
    assert "run `make monitoring`" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert "trainer_rank_stopped" in document.read_text()

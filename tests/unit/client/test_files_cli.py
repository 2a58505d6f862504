"""How files and transfers are shown."""

import json

import pytest

from trainingrun_client.cli.options import Form
from trainingrun_client.cli.transfers import human_size, show_entries, shown, tell_summary
from trainingrun_client.files import Entry, Kind, Summary

ENTRIES = (
    Entry("d", Kind.DIRECTORY, 0, 0),
    Entry("d/a b", Kind.FILE, 1536, 86_400),
    Entry("d/l", Kind.LINK, 0, 0),
)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (1 << 52, "4096.0 TiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("path", "text"), [("ü b", "ü b"), ("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("\udcff", "\\udcff")]
)
def test_a_name_does_nothing_to_a_terminal(path: str, text: str) -> None:
    assert shown(path) == text


def test_the_table_leaves_out_directories_that_were_looked_into(capsys: pytest.CaptureFixture[str]) -> None:
    show_entries(ENTRIES, None, directories=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["SIZE", "MODIFIED", "PATH"],
        ["1.5", "KiB", "1970-01-02", "00:00:00", "d/a", "b"],
        ["1970-01-01", "00:00:00", "d/l@"],
    ]
    show_entries(ENTRIES, None, directories=True)
    assert "d/\n" in capsys.readouterr().out.replace(" \n", "\n").replace(" \n", "\n")


def test_programs_get_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_entries(ENTRIES[1:2], Form.JSON, directories=False)
    assert json.loads(capsys.readouterr().out) == [
        {"path": "d/a b", "kind": "file", "size": 1536, "modified": "1970-01-02T00:00:00Z"}
    ]
    show_entries(ENTRIES, Form.NAME, directories=False)
    assert capsys.readouterr().out == "d\nd/a b\nd/l\n"


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        (Summary(1, 0, 2.0), "1 file fetched; 1.0 KiB are right by SHA-256 (2.0 s)"),
        (Summary(0, 2, 2.0), "0 files fetched; 2 files there already; 1.0 KiB are right by SHA-256 (2.0 s)"),
    ],
)
def test_the_end_is_one_line(summary: Summary, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_summary(summary, 1024, "fetched")
    assert capsys.readouterr().err.strip() == text

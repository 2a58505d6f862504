"""`kubectl trainingrun ui` becomes the console, which gets all that was asked for."""

import importlib.util
import os
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from trainingrun_client.cli.app import app
from trainingrun_client.cli.ui import NEEDED
from trainingrun_client.errors import InputError, MissingExtraError
from trainingrun_console import options


class ReplacedError(Exception):
    """The process is another one from here on."""


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the process is replaced by, once it is."""
    found: list[str] = []

    def execv(program: str, arguments: list[str]) -> None:
        assert (program, arguments[0]) == (sys.executable, sys.executable)
        found.extend(arguments[1:])
        raise ReplacedError

    monkeypatch.setattr(os, "execv", execv)
    return found


def call(*arguments: str) -> BaseException | None:
    return CliRunner().invoke(app, ["ui", *arguments]).exception


@pytest.mark.parametrize(
    ("arguments", "field", "expected"),
    [
        ([], "port", 8765),
        ([], "namespace", None),
        ([], "no_browser", None),
        (["--port=0"], "port", 0),
        (["-n", "radiology"], "namespace", ["radiology"]),
        (["-A"], "all_namespaces", True),
        (["--context=clinic"], "context", "clinic"),
        (["--kubeconfig=a b"], "kubeconfig", "a b"),
        (["--database=sqlite:////d/h.db"], "database", "sqlite:////d/h.db"),
        (["--no-browser"], "no_browser", True),
    ],
)
def test_the_console_understands_what_was_asked_for(
    words: list[str], arguments: list[str], field: str, expected: Any
) -> None:
    assert isinstance(call(*arguments), ReplacedError)
    assert words[:3] == ["-P", "-m", "trainingrun_console"]
    given = options.parse(words[3:], {})
    assert (given.verb, getattr(given, field)) == ("serve", expected)


@pytest.mark.parametrize("missing", NEEDED)
def test_a_plain_install_says_what_to_install(
    words: list[str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    error = call()
    assert isinstance(error, MissingExtraError)
    assert str(error) == "the page needs more libraries: pip install 'trainingrun[console]'"
    assert words == []


def test_one_namespace_and_all_of_them_exclude_each_other(words: list[str]) -> None:
    assert isinstance(call("-A", "-n", "radiology"), InputError)
    assert words == []

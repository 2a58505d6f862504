"""What the command line of the console takes, and how the rest is refused: in a line that says what to do."""

import os
from pathlib import Path
from typing import Any

import pytest

from trainingrun_console import options
from trainingrun_console.database_file import database_file, make_private
from trainingrun_console.settings import Settings

POSTGRESQL = "postgresql://console:secret@db:5432/runs"
OWN = ("127.0.0.1", "localhost", "[::1]")
ROOT = Path("/")
CLUSTER = ("serve", "--in-cluster", f"--database={POSTGRESQL}")


def settings(*arguments: str, **variables: str) -> Settings:
    environ = {options.PREFIX + name: value for name, value in variables.items()}
    given = options.parse(arguments, environ)
    return options.settings(given, "mine")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--port=x"], "--port: write a number from 0 to 65535"),
        (["serve", "--port=65536"], "--port: write a number"),
        (["serve", "--host=0.0.0.0"], "--host 0.0.0.0 is no address of loopback"),
        (["serve", "--host=::"], "--host :: is no address of loopback"),
        (["serve", "--host=example.com"], "--host example.com is no address of loopback"),
        (["serve", "--allowed-host=*"], "--allowed-host * is for --in-cluster alone"),
        (["serve", "--allowed-host=https://a.example"], "--allowed-host: write the name alone"),
        (["serve", "--allowed-host=a.example:8765"], "--allowed-host: write the name alone"),
        (["serve", "--keep-days=0"], "--keep-days: write a whole number from 1 on"),
        (["serve", "--keep-runs=many"], "--keep-runs: write a whole number"),
        (["serve", "--namespace=Team_A"], "'Team_A' cannot be the name of a namespace"),
        (["serve", "-A", "-n", "a"], "--namespace and --all-namespaces exclude each other"),
        (["serve", "--run-directory=results=/"], "--run-directory: write NAMESPACE/CLAIM=PATH"),
        (["serve", "--run-directory=a/results=/nowhere"], "there is no directory /nowhere"),
        (["serve", "--run-directory=A/results=/"], "cannot be the name of a namespace"),
        (["serve", "--log-format=xml"], "--log-format: write one of json, text"),
        (["serve", "--log-level=debug"], "--log-level: write one of DEBUG"),
        (["serve", "--in-cluster"], "--in-cluster needs --database"),
        (["serve", "--database"], "--database: expected one argument"),
        (["serve", "--key=x"], "unrecognized arguments: --key=x"),
        (["server"], "invalid choice: 'server'"),
        ([], "VERB"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(arguments, {})
    told = capsys.readouterr()
    assert (ended.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert named in told.err
    assert "--help" in told.err


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("PORT", "tcp://10.0.0.1:8765", "write a number from 0 to 65535"),
        ("IN_CLUSTER", "maybe", "write true or false"),
        ("KEEP_DAYS", "0", "write a whole number from 1 on"),
        ("NAMESPACE", "a,B", "'B' cannot be the name of a namespace"),
        ("RUN_DIRECTORY", "a", "write NAMESPACE/CLAIM=PATH"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(
    variable: str, value: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        options.parse(["serve"], {options.PREFIX + variable: value})
    told = capsys.readouterr().err
    assert f"{options.PREFIX}{variable} is '{value}'" in told
    assert named in told


@pytest.mark.parametrize(
    ("arguments", "variables", "field", "expected"),
    [
        (["serve"], {}, "loopback", True),
        (["serve"], {}, "namespaces", ("mine",)),
        (["serve", "-A"], {}, "namespaces", None),
        (CLUSTER, {}, "namespaces", None),
        (CLUSTER, {}, "loopback", False),
        (["serve", "-n", "a", "-n", "b"], {}, "namespaces", ("a", "b")),
        (["serve"], {"NAMESPACE": "a, b"}, "namespaces", ("a", "b")),
        (["serve", "-n", "c"], {"NAMESPACE": "a,b"}, "namespaces", ("c",)),
        (["serve"], {"ALL_NAMESPACES": "true"}, "namespaces", None),
        (["serve", "-A"], {"NAMESPACE": "a,b"}, "namespaces", None),
        (["serve", "-n", "c"], {"ALL_NAMESPACES": "true"}, "namespaces", ("c",)),
        (["serve"], {"IN_CLUSTER": "false"}, "loopback", True),
        (["serve"], {"IN_CLUSTER": "True", "DATABASE": POSTGRESQL}, "loopback", False),
        (["serve"], {"KEEP_DAYS": "30"}, "keep_days", 30),
        (["serve", "--keep-days=7"], {"KEEP_DAYS": "30"}, "keep_days", 7),
        (["serve"], {"KEEP_RUNS": ""}, "keep_runs", None),
        (["serve", "--keep-runs=9"], {}, "keep_runs", 9),
        (["serve"], {}, "requests_per_second", 50.0),
        (["serve", "--requests-per-second=5"], {}, "requests_per_second", 5.0),
        (["serve"], {}, "allowed_hosts", OWN),
        (["serve", "--host=127.0.0.5"], {}, "allowed_hosts", (*OWN, "127.0.0.5")),
        (
            [*CLUSTER, "--allowed-host=A.example"],
            {},
            "allowed_hosts",
            (*OWN, "a.example"),
        ),
        (CLUSTER, {"SECURE_COOKIES": "true"}, "secure_cookies", True),
        (["serve", "--run-directory=a/results=/"], {}, "run_directories", {"a/results": ROOT}),
        (["serve"], {"RUN_DIRECTORY": "a/x=/,b/y=/"}, "run_directories", {"a/x": ROOT, "b/y": ROOT}),
    ],
)  # fmt: skip
def test_options_and_variables_are_settings(
    arguments: list[str], variables: dict[str, str], field: str, expected: Any
) -> None:
    assert getattr(settings(*arguments, **variables), field) == expected


@pytest.mark.parametrize("verb", ["serve", "refill"])
def test_help_teaches_by_examples_and_names_every_option(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        options.parse([verb, "--help"], {})
    told = capsys.readouterr().out
    flags = [option.flag for group in options.GROUPS[verb].values() for option in group]
    assert [flag for flag in flags if flag not in told] == []
    assert f"    trainingrun-console {verb} " in told


def test_clusters_never_share_a_file() -> None:
    servers = (
        "https://10.0.0.1:6443",
        "https://10.0.0.1:6444",
        "https://r.example/k8s/a",
        "https://r.example/k8s/b",
    )
    assert len({database_file(server, {"HOME": "/home/anna"}) for server in servers}) == len(servers)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HOME": "/home/anna"}, "/home/anna/.local/share/trainingrun"),
        ({"HOME": "/home/anna", "XDG_DATA_HOME": "/data"}, "/data/trainingrun"),
        ({"HOME": "/home/anna", "XDG_DATA_HOME": "relative"}, "/home/anna/.local/share/trainingrun"),
    ],
)
def test_the_history_of_a_person_lies_among_their_data(environ: dict[str, str], folder: str) -> None:
    assert str(database_file("https://10.0.0.1:6443", environ).parent) == folder


def test_nobody_else_can_read_the_history_of_a_person(tmp_path: Path) -> None:
    path = tmp_path / "trainingrun" / "history.db"
    before = os.umask(0)
    try:
        make_private(path)
    finally:
        os.umask(before)
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)

"""`make test` where no cluster can run: the real Makefile, with programs that only say that they ran."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.api import TREE, UnsupportedMachineError

UNSUPPORTED = UnsupportedMachineError.exit_status
PROGRAMS = ("ruff", "lint-imports", "mypy", "pytest")
CHECKS = {
    "ruff check",
    "ruff format --check",
    "lint-imports",
    "mypy",
    "pytest tests/unit",
    "pytest tests/golden",
}
PROCESSES = "pytest -m not cluster --durations=20 tests/integration tests/e2e"
REAL = "pytest -m cluster --durations=40 tests/integration tests/e2e"


def make(folder: Path, goal: str, status: int) -> tuple[bool, set[str]]:
    """Whether `make` succeeds and the commands that ran, where those of the cluster end with `status`."""
    scripts = dict.fromkeys(PROGRAMS, f'echo "${{0##*/}} $*" >> {folder}/ran')
    scripts["python"] = f'case "$2" in tests.cluster*) exit {status} ;; esac'
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "ran").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment.pop("ACCEPTED_STATUS", None)  # both are there when `make` runs this test
    command = ["make", goal, f"PYTHON={folder}/python", f"BIN={folder}"]
    ended = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, check=False)
    return ended.returncode == 0, {line.strip() for line in (folder / "ran").read_text().splitlines()}


@pytest.mark.parametrize(
    ("goal", "status", "succeeds", "ran"),
    [
        ("test", 0, True, {*CHECKS, PROCESSES, REAL}),
        ("test", UNSUPPORTED, True, {*CHECKS, PROCESSES, REAL}),
        ("e2e", UNSUPPORTED, True, {"pytest tests/e2e"}),
        ("cluster-up", UNSUPPORTED, False, set()),
        ("images", UNSUPPORTED, False, set()),
    ],
)
def test_only_tests_go_on_where_no_cluster_can_run(
    tmp_path: Path, goal: str, status: int, succeeds: bool, ran: set[str]
) -> None:
    assert make(tmp_path, goal, status) == (succeeds, ran)


def test_no_test_of_the_cluster_runs_where_its_start_failed(tmp_path: Path) -> None:
    succeeded, ran = make(tmp_path, "test", status=1)
    assert not succeeded
    assert ran <= {*CHECKS, PROCESSES}

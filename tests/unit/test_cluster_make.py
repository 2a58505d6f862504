"""`make test` where no cluster can run: the real Makefile, with programs that only say that they ran."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.api import TREE, UnsupportedMachineError

UNSUPPORTED = UnsupportedMachineError.exit_status
PROGRAMS = ("ruff", "lint-imports", "mypy", "pytest")


@pytest.mark.parametrize(
    ("goal", "status", "succeeds", "ran"),
    [
        ("test", 0, True, set(PROGRAMS)),
        ("test", UNSUPPORTED, True, set(PROGRAMS)),
        ("test", 1, False, set()),
        ("e2e", UNSUPPORTED, True, {"pytest"}),
        ("cluster-up", UNSUPPORTED, False, set()),
        ("images", UNSUPPORTED, False, set()),
    ],
)
def test_only_tests_go_on_where_no_cluster_can_run(
    tmp_path: Path, goal: str, status: int, succeeds: bool, ran: set[str]
) -> None:
    scripts = dict.fromkeys(PROGRAMS, f'echo "${{0##*/}}" >> {tmp_path}/ran')
    scripts["python"] = f'case "$2" in tests.cluster*) exit {status} ;; esac'
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "ran").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment.pop("ACCEPTED_STATUS", None)  # both are there when `make` runs this test
    make = ["make", goal, f"PYTHON={tmp_path}/python", f"BIN={tmp_path}"]
    ended = subprocess.run(make, cwd=TREE, env=environment, capture_output=True, check=False)
    assert (ended.returncode == 0) is succeeds
    assert set((tmp_path / "ran").read_text().split()) == ran

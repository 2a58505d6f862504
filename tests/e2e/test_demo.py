"""`make demo` on the running cluster and `make demo-local` without one, as their user sees them."""

import shutil
import subprocess
import sys

import pytest

from tests.cluster.api import TREE, Cluster
from tests.demo.local import RUN_DIRECTORY
from tests.docs_site import blocks, transcripts

DOCUMENT = blocks.DOCS / "demo.md"


def printed(module: str, seconds: float) -> str:
    """What it says on standard output."""
    demo = subprocess.run(
        [sys.executable, "-m", module],
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert demo.returncode == 0, f"{demo.stdout}\n{demo.stderr}"
    return demo.stdout


@pytest.mark.cluster
@pytest.mark.e2e
def test_the_demo_trains_a_model_and_says_what_to_try_next(installed: Cluster) -> None:
    output = printed("tests.demo", 600)
    for expected in ("Completed", "Where time went", "Final metrics", "val_accuracy", "What to try next"):
        assert expected in output
    assert f"export KUBECONFIG={installed.kubeconfig}" in output
    transcripts.assert_current(DOCUMENT, "make demo", output)


@pytest.mark.e2e
def test_the_local_demo_trains_the_same_model_in_three_minutes() -> None:
    shutil.rmtree(RUN_DIRECTORY, ignore_errors=True)
    output = printed("tests.demo.local", 180)
    assert "is Completed" in output
    assert (RUN_DIRECTORY / "report.html").exists()
    transcripts.assert_current(DOCUMENT, "make demo-local", output)

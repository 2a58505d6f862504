"""`make demo` on the running cluster, as its user sees it."""

import subprocess
import sys

import pytest

from tests.cluster.api import TREE, Cluster


@pytest.mark.cluster
@pytest.mark.e2e
def test_the_demo_trains_a_model_and_says_what_to_try_next(installed: Cluster) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=TREE,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert demo.returncode == 0, f"{demo.stdout}\n{demo.stderr}"
    output = demo.stdout
    for expected in ("Completed", "Where time went", "Final metrics", "val_accuracy", "What to try next"):
        assert expected in output
    assert str(installed.kubeconfig) in output

"""Up and down of the bare cluster, beside the shared one: the scenarios are in cluster_scenarios.py."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.cluster.api import TREE

SCENARIOS = Path(__file__).with_name("cluster_scenarios.py")


@pytest.mark.cluster
@pytest.mark.chaos
def test_every_scenario_holds(cluster: Cluster) -> None:
    if cluster.provider != "bare":
        pytest.skip(f"the {cluster.provider} provider's leftovers are its own business")
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a sandbox needs root and unshare")
    pytest_in_sandbox = ["-m", "tests.cluster.sandbox", sys.executable, "-m", "pytest", "-v", str(SCENARIOS)]
    ended = subprocess.run(
        [sys.executable, *pytest_in_sandbox],
        cwd=TREE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(ended.stdout)
    assert ended.returncode == 0

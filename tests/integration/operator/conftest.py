"""The operator as a process of its own against the real API server, in a namespace of the test's own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.helpers.operator_process import Operator, operator_for
from tests.helpers.runs import Runs


@pytest.fixture(scope="session")
def image(cluster: Cluster) -> str:
    """A small image with a shell, as pods name it."""
    return cluster.load_image(build("base"))


@pytest.fixture
def runs(definition: Cluster) -> Iterator[Runs]:
    """A namespace that enforces Pod Security `restricted`."""
    name = f"operator-{uuid.uuid4().hex[:6]}"
    definition.kubectl("create", "namespace", name)
    definition.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield Runs(definition, name)
    definition.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def idle_operator(runs: Runs, tmp_path: Path) -> Iterator[Operator]:
    """An operator for the namespace, not yet started; its log is shown where the test fails."""
    log = tmp_path / "operator.log"
    operator = operator_for(runs.namespace, runs.cluster.kubeconfig, log)
    yield operator
    operator.end()
    print(log.read_text(encoding="utf-8"))


@pytest.fixture
def operator(idle_operator: Operator) -> Operator:
    """A running operator."""
    idle_operator.start()
    return idle_operator

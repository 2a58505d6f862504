"""What the documentation and the examples would have a reader apply is accepted by the API server."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.api import TREE, Cluster
from tests.docs_site import blocks
from tests.helpers.definition import install_definition
from tests.helpers.runs import Runs, manifest

pytestmark = pytest.mark.cluster

Object = dict[str, Any]
SMALLEST: Object = {"image": "registry.example.com/my-training:1", "command": ["train"]}
"""What a spec that is shown in part is completed with."""


def documented() -> Iterator[Any]:
    """Every TrainingRun of the pages and the examples, by where it stands."""
    for page in blocks.pages():
        text, where = page.read_text(encoding="utf-8"), str(page.relative_to(TREE))
        for number, run in enumerate(blocks.runs(text), 1):
            yield pytest.param(run, id=f"{where}, run {number}")
        for number, spec in enumerate(blocks.parts(text), 1):
            yield pytest.param(manifest("part", SMALLEST | spec), id=f"{where}, part {number}")
    for example in sorted((TREE / "examples").glob("*.yaml")):
        yield pytest.param(yaml.safe_load(example.read_text(encoding="utf-8")), id=f"examples/{example.name}")


@pytest.fixture(scope="module")
def runs(cluster: Cluster) -> Iterator[Runs]:
    """An empty namespace; nothing is created in it, so an operator may run."""
    install_definition(cluster)
    name = f"docs-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    yield Runs(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("run", list(documented()))
def test_a_documented_run_is_accepted(runs: Runs, run: Object) -> None:
    namespace = run["metadata"].get("namespace")
    metadata = {**run["metadata"], "namespace": runs.namespace} if namespace else run["metadata"]
    body = json.dumps({**run, "metadata": metadata})
    apply = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    assert "created" in runs.kubectl(*apply, input=body)

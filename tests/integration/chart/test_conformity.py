"""Everything that the chart renders, under each set of values, is what this Kubernetes takes, to the last
field.

https://github.com/yannh/kubeconform, with the schemas of the test cluster.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.helpers.chart_readme import CHART, TOOLS, readme
from tests.helpers.go_tool import go_tool
from tests.helpers.helm import render
from tests.integration.chart.matrix import MATRIX
from tests.integration.chart.schemas import write_schemas

KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform"
FOREIGN = "ServiceMonitor,PodMonitor,PrometheusRule"
"""Kinds of the Prometheus Operator; test_monitoring.py tries them."""


@pytest.fixture(scope="module")
def schemas(definition: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas(json.loads(definition.kubectl("get", "--raw", "/openapi/v2")), folder)
    return folder


def complaints(schemas: Path, manifests: str) -> list[str]:
    """What kubeconform has to say against them."""
    location = f"{schemas}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    arguments = ["-strict", "-output", "json", "-schema-location", location, "-skip", FOREIGN]
    command = [str(go_tool(TOOLS, KUBECONFORM)), *arguments]
    done = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    found = json.loads(done.stdout).get("resources") or []
    return [f"{one['kind']} {one['name']}: {one['msg']}" for one in found]


@pytest.mark.parametrize("name", MATRIX)
def test_what_is_rendered_conforms(schemas: Path, name: str) -> None:
    manifests = render(*MATRIX[name], "prometheusRules.enabled=true")
    assert "kind: CustomResourceDefinition" in manifests
    assert not complaints(schemas, manifests)


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("serviceAccountName:", "serviceAccountNam:", "serviceAccountNam"),
        ("replicas: 1", 'replicas: "one"', "replicas"),
    ],
)
def test_what_does_not_conform_is_found(schemas: Path, before: str, after: str, word: str) -> None:
    """Or the check above could not fail."""
    manifests = render()
    assert before in manifests
    [complaint] = complaints(schemas, manifests.replace(before, after, 1))
    assert word in complaint


def test_the_readme_is_made_of_the_values() -> None:
    """`make chart-readme` writes it."""
    assert (CHART / "README.md").read_text(encoding="utf-8") == readme()

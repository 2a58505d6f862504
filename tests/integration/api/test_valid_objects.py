"""What can work is accepted, and `kubectl get -o yaml` shows every default."""

import json
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.cluster.api import TREE
from tests.helpers.golden import assert_reviewed
from tests.helpers.runs import Runs
from tests.integration.api.corpus import ALLOWED, Change, existing
from tests.integration.api.specs import SPECS, defaulted
from trainingrun_api import names

pytestmark = pytest.mark.cluster


def accepted(runs: Runs, name: str, spec: str) -> dict[str, object]:
    """The object that `kubectl apply` would create from a spec, read from YAML by kubectl itself."""
    header = f"apiVersion: {names.API_VERSION}\nkind: {names.KIND}\nmetadata: {{name: {name}}}\nspec:\n"
    manifest = header + textwrap.indent(spec, "  ")
    apply = ("apply", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")
    created: dict[str, object] = json.loads(runs.kubectl(*apply, input=manifest))
    return created


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_a_valid_spec_is_accepted_with_its_defaults_visible(runs: Runs, spec: Path) -> None:
    created = accepted(runs, spec.stem, spec.read_text(encoding="utf-8"))
    assert_reviewed(defaulted(spec), yaml.safe_dump(created["spec"]))


@pytest.mark.parametrize("example", sorted((TREE / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_accepted(runs: Runs, example: Path) -> None:
    assert runs.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(example))


def test_cores_may_be_an_integer_as_in_a_pod(runs: Runs) -> None:
    created = accepted(runs, "cores", "{image: a, command: [b], resources: {cpu: 16}}")
    assert isinstance(created["spec"], dict)
    assert created["spec"]["resources"]["cpu"] == 16


def test_the_longest_name_is_accepted(runs: Runs) -> None:
    assert accepted(runs, "x" * names.MAX_NAME_LENGTH, "{image: a, command: [b]}")


@pytest.fixture(scope="module")
def created(runs: Runs) -> Runs:
    """The namespace with a run to be changed, and a suspended one."""
    runs.apply(existing(suspended=False), existing(suspended=True))
    return runs


@pytest.mark.parametrize("change", ALLOWED, ids=lambda change: change.name)
def test_how_a_run_is_run_can_change(created: Runs, change: Change) -> None:
    apply = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    assert "configured" in created.kubectl(*apply, input=json.dumps(change.manifest()))

"""What cannot work is refused by `kubectl apply`, in words that name the field and the remedy."""

import json

import pytest

from tests.cluster.api import ClusterError
from tests.helpers.runs import Runs
from tests.integration.api.corpus import CHANGES, COMMAND, INVALID, TRAINING, Invalid

pytestmark = pytest.mark.cluster


def refusal(runs: Runs, manifest: dict[str, object]) -> str:
    """What `kubectl apply` says against the manifest."""
    with pytest.raises(ClusterError) as refused:
        runs.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(manifest))
    return str(refused.value)


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.name)
def test_an_invalid_object_is_refused_with_field_and_remedy(runs: Runs, case: Invalid) -> None:
    message = refusal(runs, case.manifest())
    assert case.field in message
    assert case.words in message


@pytest.fixture(scope="module")
def created(runs: Runs) -> Runs:
    """The namespace with an object of each kind in it."""
    runs.apply(
        *(
            base | {"metadata": {"name": name}}
            for name, base in (("training", TRAINING), ("command", COMMAND))
        )
    )
    return runs


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case.name)
def test_a_change_of_an_existing_run_is_refused(created: Runs, case: Invalid) -> None:
    message = refusal(created, case.manifest() | {"metadata": {"name": case.base}})
    assert f"{case.field}: Invalid value: {case.words}" in message


def test_the_valid_objects_under_the_patches_are_accepted(runs: Runs) -> None:
    """Or the refusals above could have another cause."""
    for base in (TRAINING, COMMAND):
        runs.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(base))

"""A namespace of the tests' own."""

import uuid
from collections.abc import Iterator

import pytest

from tests.cluster.api import Cluster
from tests.helpers.runs import Runs


@pytest.fixture(scope="module")
def runs(definition: Cluster) -> Iterator[Runs]:
    """A namespace for objects that are only checked, never trained: it goes before an operator finds them."""
    name = f"api-{uuid.uuid4().hex[:6]}"
    definition.kubectl("create", "namespace", name)
    yield Runs(definition, name)
    definition.kubectl("delete", "namespace", name, "--wait=false")

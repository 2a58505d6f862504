"""The operator with permissions in one namespace alone carries out what is there, and sees nothing else."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import Cluster
from tests.demo import install
from tests.helpers.runs import Runs, manifest

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]
RUN = "small"
FOREIGN_SECONDS = 5
"""How long a run elsewhere must stay untouched; one of the operator's own is answered within one."""


@pytest.fixture
def namespaced(installed: Cluster, images: install.Images, runs: Runs) -> Iterator[Runs]:
    """The namespace that the operator is confined to."""
    install.install_chart(installed, images, f"watchNamespaces={{{runs.namespace}}}")
    yield runs
    install.install_chart(installed, images)


def test_a_confined_operator_serves_its_namespace_and_no_other(
    namespaced: Runs, module_runs: Runs, base_image: str
) -> None:
    spec = {"image": base_image, "command": ["true"], "resources": {"gpus": 0}}
    module_runs.apply(manifest(RUN, spec))
    namespaced.apply(manifest(RUN, spec))
    namespaced.wait(RUN, "Completed", seconds=60)
    with pytest.raises(TimeoutError):
        module_runs.wait_until(RUN, bool, "noticed", seconds=FOREIGN_SECONDS)
    allowed = namespaced.cluster.kubectl(
        "get", "clusterrolebindings", "-l", f"app.kubernetes.io/instance={install.RELEASE}", "-o", "name"
    )
    assert allowed == ""

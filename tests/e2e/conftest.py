"""The installed system: cluster up, images loaded, chart installed, once for all end-to-end tests."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.cluster.shell import wait_until
from tests.demo import install
from tests.e2e.digits import DATA_CLAIM, DIGITS, Finished, apply_digits
from tests.helpers.runs import Runs
from tests.helpers.watch import Table


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> install.Images:
    """The operator's and the trainer's image, as pods name them."""
    return install.load_images(cluster)


@pytest.fixture(scope="session")
def base_image(cluster: Cluster) -> str:
    """A small image with a shell and Python, as pods name it."""
    return cluster.load_image(build("base"))


@pytest.fixture(scope="session")
def installed(cluster: Cluster, images: install.Images) -> Cluster:
    """The cluster with the operator installed from its chart."""
    install.install_chart(cluster, images)
    return cluster


def own_namespace(cluster: Cluster) -> Iterator[Runs]:
    name = f"e2e-{uuid.uuid4().hex[:6]}"
    install.ensure_namespace(cluster, name)
    yield Runs(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def runs(installed: Cluster) -> Iterator[Runs]:
    """A namespace of the test's own that enforces Pod Security `restricted`."""
    yield from own_namespace(installed)


@pytest.fixture(scope="module")
def module_runs(installed: Cluster) -> Iterator[Runs]:
    """A namespace of the module's own."""
    yield from own_namespace(installed)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with digits.zip."""
    folder = tmp_path_factory.mktemp("digits")
    samples = [
        sys.executable,
        "-m",
        "trainingrun_trainer.samples",
        "digits",
        "--out",
        str(folder / "digits.zip"),
    ]
    subprocess.run(samples, check=True)
    return folder


@pytest.fixture(scope="session")
def digits(installed: Cluster, digits_folder: Path) -> Iterator[Finished]:
    """The digits example, applied by a user who watches it to its end."""
    namespaces = own_namespace(installed)
    runs = next(namespaces)
    installed.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    with Table(installed, runs.namespace, "tr") as table:
        apply_digits(runs)
        status = runs.wait(DIGITS, "Completed", "Failed", seconds=900)
        phase = status["phase"]
        wait_until("the last line", lambda: any(phase in line for line in table.lines), seconds=10)
    yield Finished(runs, status, table.lines)
    next(namespaces, None)

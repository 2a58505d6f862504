"""Runs the README as a reader would, on the test cluster: one shell, from the first command to the last.

Blocks marked `<!-- not run: reason -->` are left out. Only what a reader fills in is replaced (the registry
and tags of images, their own program), and what this machine lacks: a GPU that computes, and hours.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api import TREE, Cluster
from tests.demo import install
from tests.docs_site import blocks
from tests.e2e import reader
from tests.helpers.runs import Runs
from trainingrun_api import names

README = (TREE / "README.md").read_text()
REGISTRY = "registry.example.com"
IMAGES = 60
"""As many as a ResNet-50 gets through on the CPU in well under a minute."""


def script(images: install.Images) -> str:
    """The README's commands with what a reader fills in."""
    replacements = {
        f"image.repository={REGISTRY}/trainingrun-operator": _settings("image", images.operator),
        f"trainerImage.repository={REGISTRY}/trainingrun-trainer": _settings("trainerImage", images.trainer),
        f"{REGISTRY}/trainingrun-trainer:0.1.0": images.trainer,
        f"{REGISTRY}/my-training:1": images.trainer,
        "[torchrun, train.py]": "[torchrun, -m, this]",
        "maxEpochs: 50": "maxEpochs: 1\n    accelerator: cpu",
    }
    text = blocks.script(README, replacements)
    assert REGISTRY not in text
    return text


def _settings(value: str, reference: str) -> str:
    return ",".join(f"{key}={setting}" for key, setting in install.image_settings(value, reference).items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder: the chart, and data of their own."""
    (tmp_path / "charts").symlink_to(TREE / "charts")
    reader.write_sample("xray", tmp_path / "sample.zip")
    reader.unpack(tmp_path / "sample.zip", tmp_path)
    table = tmp_path / "metadata.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:IMAGES]))
    return tmp_path


@pytest.fixture
def environment(
    installed: Cluster, images: install.Images, runs: Runs, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Of the reader."""
    yield reader.environment(installed, runs.namespace, tmp_path)
    install.install_chart(installed, images)  # the README ends by uninstalling it; other tests need it


@pytest.mark.cluster
@pytest.mark.e2e
def test_every_command_of_the_readme_works(
    environment: dict[str, str], folder: Path, images: install.Images, runs: Runs
) -> None:
    reader.follow(script(images), folder, environment, seconds=840)
    results = json.loads((folder / "results" / "results.json").read_text())
    assert results["total_epochs_run"] == 1
    kept = runs.kubectl("get", f"customresourcedefinition/{names.CRD_NAME}", "persistentvolumeclaim/chest")
    assert names.CRD_NAME in kept, "uninstalling keeps the runs and the data"

"""Runs the README as a reader would, on the test cluster: one shell, from the first command to the last.

Blocks marked `<!-- not run: reason -->` are left out. Only what a reader fills in is replaced (the registry
and tags of images, their own program), and what this machine lacks: a GPU that computes, and hours.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.api import TREE, Cluster
from tests.demo import install
from tests.helpers.runs import Runs
from trainingrun_api import names

README = (TREE / "README.md").read_text()
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?^```sh\n(?P<commands>.*?)^```$", re.DOTALL | re.MULTILINE
)
REGISTRY = "registry.example.com"
IMAGES = 60
"""As many as a ResNet-50 gets through on the CPU in well under a minute."""


def script(images: install.Images) -> str:
    """The README's commands with what a reader fills in."""
    text = "\n".join(block["commands"] for block in BLOCK.finditer(README) if not block["reason"])
    replacements = {
        f"image.repository={REGISTRY}/trainingrun-operator": _settings("image", images.operator),
        f"trainerImage.repository={REGISTRY}/trainingrun-trainer": _settings("trainerImage", images.trainer),
        f"{REGISTRY}/trainingrun-trainer:0.1.0": images.trainer,
        f"{REGISTRY}/my-training:1": images.trainer,
        "[torchrun, train.py]": "[torchrun, -m, this]",
        "maxEpochs: 50": "maxEpochs: 1\n    accelerator: cpu",
    }
    for place, filled in replacements.items():
        assert place in text, f"the README no longer says {place}"
        text = text.replace(place, filled)
    assert REGISTRY not in text
    return text


def _settings(value: str, reference: str) -> str:
    return ",".join(f"{key}={setting}" for key, setting in install.image_settings(value, reference).items())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder: the chart, and data of their own."""
    (tmp_path / "charts").symlink_to(TREE / "charts")
    archive = tmp_path / "sample.zip"
    samples = [sys.executable, "-m", "trainingrun_trainer.samples", "xray", "--out", str(archive)]
    subprocess.run(samples, check=True)
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(archive), str(tmp_path)], check=True)
    table = tmp_path / "metadata.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:IMAGES]))
    return tmp_path


@pytest.fixture
def environment(
    installed: Cluster, images: install.Images, runs: Runs, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """A reader whose kubectl speaks to a namespace of their own."""
    config = json.loads(installed.kubectl("config", "view", "--raw", "--output=json"))
    for context in config["contexts"]:
        context["context"]["namespace"] = runs.namespace
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    path = os.pathsep.join(
        [*(str(installed.binary(name).parent) for name in ("kubectl", "helm")), os.environ["PATH"]]
    )
    yield {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    install.install_chart(installed, images)  # the README ends by uninstalling it; other tests need it


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (TREE / target).exists()


def test_every_block_that_is_left_out_says_why() -> None:
    assert README.count("<!-- not run") == sum(bool(block["reason"]) for block in BLOCK.finditer(README))


@pytest.mark.cluster
@pytest.mark.e2e
def test_every_command_of_the_readme_works(
    environment: dict[str, str], folder: Path, images: install.Images, runs: Runs
) -> None:
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script(images)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    results = json.loads((folder / "results" / "results.json").read_text())
    assert results["total_epochs_run"] == 1
    kept = runs.kubectl("get", f"customresourcedefinition/{names.CRD_NAME}", "persistentvolumeclaim/chest")
    assert names.CRD_NAME in kept, "uninstalling keeps the runs and the data"

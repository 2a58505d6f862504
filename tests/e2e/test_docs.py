"""Runs each page of the documentation as a reader would: one shell, from the first command to the last.

`READERS` says what the reader of a page has beforehand, and what is replaced: the registry and their own
program, and what this machine lacks: a GPU that computes, memory, and hours. Blocks marked
`<!-- not run: reason -->` are left out.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.cluster.api import Cluster
from tests.demo import install
from tests.docs_site import blocks
from tests.e2e import reader
from tests.helpers.runs import Runs, manifest
from trainingrun_trainer.samples.parts import write_parts

IMAGES = 24
REGISTRY_IMAGE = "registry.example.com/my-training:1"
SMALL_POD = {"cpu: 4, memory: 16Gi": "cpu: 1, memory: 3Gi"}
LESS = {"maxEpochs: 50": "maxEpochs: 1\n    accelerator: cpu"}
SIZE = {"imageSize: 224": "imageSize: 32"}
RESULTS = ("results/results.json", "results/report.html")
PAGE_SECONDS = 600


@dataclass(frozen=True)
class Scene:
    """What a page finds."""

    folder: Path
    runs: Runs
    images: install.Images


def few_pictures(folder: Path) -> None:
    """metadata.csv and images/."""
    reader.write_sample("xray", folder / "sample.zip")
    reader.unpack(folder / "sample.zip", folder)
    table = folder / "metadata.csv"
    kept = table.read_text().splitlines(keepends=True)[: IMAGES + 1]
    table.write_text("".join(kept))


def chest_zip(folder: Path) -> None:
    """chest.zip of these."""
    few_pictures(folder / "pictures")
    shutil.make_archive(str(folder / "chest"), "zip", folder / "pictures")


def pictures(scene: Scene) -> None:
    few_pictures(scene.folder)


def archive(scene: Scene) -> None:
    (scene.folder / "pictures").mkdir()
    chest_zip(scene.folder)


def chest(scene: Scene) -> None:
    """chest.yaml as the guide to classification leaves it, with its data in a claim."""
    data = scene.folder / "data"
    (data / "pictures").mkdir(parents=True)
    chest_zip(data)
    scene.runs.cluster.put_folder(data, scene.runs.namespace, "chest")
    page = (blocks.DOCS / "guide" / "classification.md").read_text(encoding="utf-8")
    run = next(blocks.runs(page))
    run["spec"]["resources"] = {"gpus": 1}
    training = run["spec"]["training"]
    training["data"]["imageSize"] = 32
    training |= {"model": {"architecture": "resnet18"}, "accelerator": "cpu", "maxEpochs": 2}
    (scene.folder / "chest.yaml").write_text(yaml.safe_dump(run))


def failed_chest(scene: Scene) -> None:
    """A run chest that is Failed."""
    spec = {
        "image": scene.images.trainer,
        "command": ["python", "-c", "raise SystemExit('there is no chest')"],
        "resources": {"gpus": 0},
        "restart": {"maxFailures": 0},
    }
    scene.runs.apply(manifest("chest", spec))
    scene.runs.wait("chest", "Failed", seconds=120)


def finished_chest(scene: Scene) -> None:
    """chest.yaml, and the run of it."""
    chest(scene)
    scene.runs.kubectl("apply", "-f", str(scene.folder / "chest.yaml"))
    scene.runs.wait("chest", "Completed", seconds=300)


def results(scene: Scene) -> None:
    """The directory of a run, as a mounted claim has it."""
    run = {"run_id": "chest-0a1b2c3d", "name": "chest", "namespace": "team-a", "state": "completed"}
    directory = scene.folder / "results" / run["run_id"]
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(run))
    (directory / "metrics.json").write_text(json.dumps([{"epoch": 1, "val_loss": 0.5}]))


def digits(scene: Scene) -> None:
    """data/digits.zip on the reader's machine."""
    (scene.folder / "data").mkdir()
    reader.write_sample("digits", scene.folder / "data" / "digits.zip")


def defects(scene: Scene) -> None:
    """metadata.csv of some pictures, which the seed will split; images/ and masks/."""
    reader.write_sample("defects", scene.folder / "sample.zip")
    reader.unpack(scene.folder / "sample.zip", scene.folder)
    names = sorted(path.name for path in (scene.folder / "images").iterdir())[:IMAGES]
    (scene.folder / "metadata.csv").write_text("\n".join(["filename", *names, ""]))


def parts(scene: Scene) -> None:
    write_parts(scene.folder / "sample.zip", pictures=12)
    reader.unpack(scene.folder / "sample.zip", scene.folder)


def volumes(scene: Scene) -> None:
    reader.write_sample("liver", scene.folder / "sample.zip")
    reader.unpack(scene.folder / "sample.zip", scene.folder / "volumes")


def nothing(scene: Scene) -> None:
    """The reader begins with a cluster."""


@dataclass(frozen=True)
class Reader:
    """Of one page."""

    page: str
    has: Callable[[Scene], None] = nothing
    replaced: Mapping[str, str] = field(default_factory=dict)
    own_program: bool = False
    """Whether their own image is filled in."""
    leaves: tuple[str, ...] = ()
    """Files that they must have at the end."""


READERS = (
    Reader(
        "quick-start.md",
        archive,
        {
            "init chest.zip > chest.yaml": "init chest.zip "
            r"| sed 's/maxEpochs: 50/maxEpochs: 1\n    accelerator: cpu/' > chest.yaml"
        },
        leaves=(*RESULTS, "results/checkpoints/best_model.pt", "chest.png"),
    ),
    Reader("operations/install.md"),
    Reader("operations/upgrade.md", leaves=("trainingruns-before.yaml",)),
    Reader("operations/uninstall.md"),
    Reader("operations/console.md", results, {"/mnt/results": "results"}, leaves=("history.db",)),
    Reader("guide/failures.md", failed_chest),
    Reader("guide/own-image.md", replaced={"[torchrun, train.py]": "[torchrun, -m, this]"}, own_program=True),
    Reader("guide/sweeps.md", chest, leaves=("rates.png", "rates.json")),
    Reader("guide/queueing.md", chest),
    Reader("guide/stop-and-resume.md", chest),
    Reader(
        "operations/backup.md",
        finished_chest,
        {
            "kubectl trainingrun submit chest.yaml": "kubectl trainingrun cancel chest --yes\n"
            "kubectl wait --for=delete tr/chest --timeout=60s\nkubectl trainingrun submit chest.yaml"
        },
        leaves=("claims.yaml", "values.yaml", "chest-backup.yaml"),
    ),
    Reader("guide/python.md", chest),
    Reader("guide/local.md", digits, {"maxEpochs: 5": "maxEpochs: 1"}, leaves=("runs/digits/report.html",)),
    Reader("guide/classification.md", pictures, {**LESS, **SMALL_POD, **SIZE}, leaves=RESULTS),
    Reader(
        "guide/segmentation-2d.md",
        defects,
        {**LESS, **SMALL_POD, "imageSize: 512": "imageSize: 64"},
        leaves=RESULTS,
    ),
    Reader(
        "guide/segmentation-3d.md",
        volumes,
        {
            "maxEpochs: 100": "maxEpochs: 1\n    accelerator: cpu",
            "cpu: 8, memory: 64Gi, sharedMemory: 8Gi": "cpu: 1, memory: 3Gi",
            "[96, 96, 96]": "[32, 32, 32]",
        },
        leaves=RESULTS,
    ),
    Reader(
        "guide/detection.md",
        parts,
        {**LESS, "cpu: 4, memory: 32Gi": "cpu: 1, memory: 3Gi", "imageSize: 800": "imageSize: 128"},
        leaves=RESULTS,
    ),
)


@pytest.fixture
def scene(installed: Cluster, images: install.Images, runs: Runs, tmp_path: Path) -> Scene:
    """A folder and a namespace of the reader's own."""
    return Scene(tmp_path, runs, images)


def text(reader_: Reader, images: install.Images, language: str = "sh") -> str:
    """What the reader runs."""
    page = (blocks.DOCS / reader_.page).read_text(encoding="utf-8")
    own = {REGISTRY_IMAGE: images.trainer} if reader_.own_program else {}
    return blocks.script(page, {**reader_.replaced, **own}, language)


def test_every_new_page_with_commands_has_a_reader() -> None:
    wanted = {
        "quick-start.md",
        *(
            f"{folder}/{path.name}"
            for folder in ("guide", "operations")
            for path in (blocks.DOCS / folder).glob("*.md")
        ),
    }
    with_commands = {
        page
        for page in wanted
        for language in ("sh", "python")
        if blocks.script((blocks.DOCS / page).read_text(encoding="utf-8"), {}, language).strip()
    }
    assert {each.page for each in READERS} == with_commands


@pytest.mark.cluster
@pytest.mark.e2e
@pytest.mark.parametrize("reader_", READERS, ids=lambda each: each.page)
def test_every_command_of_a_page_works(reader_: Reader, scene: Scene) -> None:
    reader_.has(scene)
    environment = reader.environment(scene.runs.cluster, scene.runs.namespace, scene.folder)
    reader.follow(text(reader_, scene.images), scene.folder, environment, PAGE_SECONDS)
    reader.follow_python(text(reader_, scene.images, "python"), scene.folder, environment, PAGE_SECONDS)
    for name in reader_.leaves:
        assert (scene.folder / name).exists(), name

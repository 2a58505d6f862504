"""Every example trains: its own file as it stands, but for what two cores and small generated samples force.

ROWS shows all that differs. The runs are forked from one process (rehearsal.py), each with so many ranks as
its example has nodes.
"""

import json
import zipfile
from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
import yaml

from tests.cluster.api import TREE
from tests.integration.trainer.rehearsal import Life, play
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer import samples
from trainingrun_trainer.metrics import classification, segmentation
from trainingrun_trainer.samples.defects import write_defects
from trainingrun_trainer.samples.parts import write_parts
from trainingrun_trainer.samples.volumes import write_liver

EXAMPLES = {path.stem: path for path in (TREE / "examples").glob("*.yaml")}
MOUNTED_AT = "/data"
"""Where the examples mount the volume of their data; here it is a folder."""


def digits(volume: Path) -> None:
    samples.write_zip(islice(samples.digits(), 240), volume / "digits.zip")


def xrays(name: str, volume: Path) -> None:
    samples.write_zip(islice(samples.xray(), 40), volume / name)


def surfaces(volume: Path) -> None:
    """16 pictures to train on and 16 for validation, and the encoder's weights as torchvision saves them."""
    extracted = unpacked(write_defects, volume)
    for kind in ("images", "masks"):
        move(extracted / kind, volume / "processed" / kind)
    (volume / "splits").mkdir()
    for split in ("train", "val"):
        names = (extracted / f"{split}.txt").read_text().splitlines(keepends=True)
        (volume / "splits" / f"{split}.txt").write_text("".join(names[:16]))
    (volume / "weights").mkdir()
    torch.save(torchvision.models.resnet34().state_dict(), volume / "weights" / "resnet34.pt")


def livers(volume: Path) -> None:
    """Two volumes of each split, one NIfTI and one npy."""
    extracted = unpacked(write_liver, volume)
    lines = (extracted / "metadata.csv").read_text().splitlines()[1:]
    for split in ("train", "val", "test"):
        for name in [line.partition(",")[0] for line in lines if line.endswith(split)][:2]:
            for kind in ("images", "masks"):
                move(extracted / kind / name, volume / "data_preprocessed" / split / kind / name)


def parts(volume: Path) -> None:
    """dataset.json of 6 pictures, every fourth for validation."""
    extracted = unpacked(partial(write_parts, pictures=6), volume)
    content = json.loads((extracted / "annotations.json").read_text())
    labels = {category["id"]: category["name"] for category in content["categories"]}
    pictures = [
        {
            "file": picture["file_name"],
            "split": ["train" if picture["id"] % 4 else "val"],
            "annotations": [
                found | {"label": labels[found["category_id"]]}
                for found in content["annotations"]
                if found["image_id"] == picture["id"]
            ],
        }
        for picture in content["images"]
    ]
    move(extracted / "images", volume / "parts" / "images")
    (volume / "parts" / "dataset.json").write_text(json.dumps({"images": pictures}))


def unpacked(write: Callable[[Path], None], volume: Path) -> Path:
    """A sample outside its archive."""
    write(volume / "sample.zip")
    with zipfile.ZipFile(volume / "sample.zip") as archive:
        archive.extractall(volume / "unpacked")
    return volume / "unpacked"


def move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    path.rename(to)


@dataclass(frozen=True)
class Row:
    """An example, and how small it becomes here."""

    example: str
    fill: Callable[[Path], None]
    """Puts a sample where the example's volume is, in its format and under its names."""
    metrics: Set[str]
    """What results.json must have of the best epoch."""
    smaller: tuple[str, ...] = ()
    """What differs from the example beside LESS."""

    @property
    def spec(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load(EXAMPLES[self.example].read_text())["spec"]
        return content


LESS = ("maxEpochs=1", "accelerator=cpu")
CLASSES = frozenset(classification.HEADLINE)
REGIONS = frozenset(segmentation.HEADLINE)
BOXES = frozenset({"map", "map_50", "map_75", "mar_100"})
ROWS = (  # those that take longest come first: runs go side by side
    Row("instance-segmentation", parts, BOXES | {"map_box"}, ("data.imageSize=128",)),
    Row("object-detection", parts, BOXES, ("data.imageSize=128",)),
    Row("medical-3d", livers, REGIONS, ("data.patchSize=[32, 32, 32]",)),
    Row("defects", surfaces, REGIONS, ("data.imageSize=64",)),
    Row("xray-screening", partial(xrays, "dataset.zip"), CLASSES, ("data.imageSize=64",)),
    Row("xray-classification", partial(xrays, "xray.zip"), CLASSES, ("data.imageSize=64",)),
    Row("digits-classification", digits, CLASSES),
)
LEFT = (
    "checkpoints/best_model.pt",
    "report.html",
    "model_card.md",
    "plots/*.png",
    "samples/*.png",
    "logs/events.*",
)
"""What a run leaves for people. No example turns any of it off, or asks for an export."""


@dataclass(frozen=True)
class Trained:
    """How the run of each example ended."""

    directory: Path
    codes: dict[str, list[int]]
    output: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("examples")
    lives = []
    for row in ROWS:
        volume = directory / row.example / "volume"
        volume.mkdir(parents=True)
        row.fill(volume)
        lives.append(
            Life(
                str(EXAMPLES[row.example]),
                str(directory / row.example / "run"),
                ranks=row.spec.get("nodes", 1),
                overrides=(*in_volume(row.spec["training"], volume), *LESS, *row.smaller),
            )
        )
    codes, output = play(lives)
    return Trained(directory, {row.example: its for row, its in zip(ROWS, codes, strict=True)}, output)


def in_volume(training: dict[str, Any], volume: Path) -> list[str]:
    """The files that an example names, in the folder that is its volume here."""
    files = {
        "data.path": training["data"]["path"],
        "model.encoderWeights": training["model"].get("encoderWeights"),
    }
    return [f"{name}={file.replace(MOUNTED_AT, str(volume), 1)}" for name, file in files.items() if file]


def test_every_example_is_in_the_table() -> None:
    assert sorted(row.example for row in ROWS) == sorted(EXAMPLES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.example)
def test_an_example_trains(trained: Trained, row: Row) -> None:
    assert set(trained.codes[row.example]) == {EXIT_DONE}, trained.output
    run = trained.directory / row.example / "run"
    results = json.loads((run / "results.json").read_text())
    assert results["monitor"] == row.spec["training"]["monitor"]
    assert {f"best_{name}" for name in row.metrics} <= results.keys()
    assert results["warnings"] == []
    for pattern in LEFT:
        assert list(run.glob(pattern)), pattern

"""Images with classes become the same samples from every format; what is missing is named."""

import io
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainingrun_trainer import config as configs
from trainingrun_trainer.data.classification import ClassifiedImages, prepare
from trainingrun_trainer.errors import BadData

NAMES = ["a.png", "b.PNG", "c.png", "deep/d.png"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for number, name in enumerate(NAMES):
        path = source / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        Image.fromarray(np.full((8, 8), 10 * number, dtype=np.uint8)).save(content, "PNG")
        path.write_bytes(content.getvalue())
    rows = [
        {"file": name.lower(), "split": ["train" if number < 2 else "val"], "label": "xy"[number % 2]}
        for number, name in enumerate(NAMES)
    ]
    (source / "dataset.json").write_text(json.dumps({"images": rows}))
    table = "\n".join(f"{row['file']};{row['label']};{row['split'][0]}" for row in rows)
    (source / "metadata.csv").write_bytes(b"\xef\xbb\xbffilename;label;split\n" + table.encode())
    return source


def prepared(source: Path, data_format: str, **data: Any) -> ClassifiedImages:
    scratch = source.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    fields = {"format": data_format, "path": str(source), "imageSize": 8, "channels": 1, **data}
    return prepare(configs.parse({"task": "classification", "data": fields}), scratch, threads=2)


@pytest.mark.parametrize("data_format", ["directory", "zip", "dataset-json"])
def test_every_format_gives_the_same_samples(source: Path, data_format: str) -> None:
    path = source
    if data_format == "zip":
        path = Path(shutil.make_archive(str(source.parent / "data"), "zip", source.parent, "source"))
    data = prepared(path, data_format)
    assert data.classes == ("x", "y")
    assert data.labels.tolist() == [0, 1, 0, 1]
    assert {split: indices.tolist() for split, indices in data.splits.items()} == {
        "train": [0, 1],
        "val": [2, 3],
    }
    assert data.images.take(range(4))[:, 0, 0, 0].tolist() == [0, 10, 20, 30]


@pytest.mark.parametrize(
    ("data_format", "said"),
    [
        ("directory", "row 3 of metadata.csv: image 'b.png' is not in images/; row 4 of metadata.csv: image"),
        ("dataset-json", "images[1] of dataset.json: image 'b.png' is not in images/; images[2] of"),
    ],
)
def test_missing_images_are_named_together(source: Path, data_format: str, said: str) -> None:
    (source / "images" / "b.PNG").unlink()
    (source / "images" / "c.png").unlink()
    with pytest.raises(BadData) as refused:
        prepared(source, data_format)
    assert said in refused.value.message


def test_images_of_each_class_are_logged(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        prepared(source, "directory")
    assert "train: 2 images: 1 x, 1 y" in caplog.text


def test_images_may_lie_elsewhere(source: Path) -> None:
    (source / "images").rename(source / "pictures")
    assert len(prepared(source, "directory", imagesDirectory="pictures").labels) == 4

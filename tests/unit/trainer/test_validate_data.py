"""Data are checked as before training, without training: the table of what is there, and every problem."""

import csv
import json
import logging
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainingrun_trainer import samples, validate_data
from trainingrun_trainer.data.problems import NAMED
from trainingrun_trainer.samples.parts import write_parts

SAMPLES = {
    "xray": (
        {"task": "classification", "data": {"format": "zip", "imageSize": 32, "testSplit": 0.1}},
        ["train  val  test", "samples 420 120 60", "images of clear 210 60 30", "sizes as trained: 32 × 32"],
    ),
    "defects": (
        {"task": "semantic-segmentation", "data": {"format": "split-files", "imageSize": 48}},
        ["train  val  test", "samples 80 20 20", "pixels of background", "sizes as trained: 48 × 48"],
    ),
    "parts": (
        {"task": "object-detection", "data": {"format": "coco", "imageSize": 64}},
        ["train  val", "samples 19 5", "objects of washer", "sizes as trained: 64 × 48"],
    ),
    "liver": (
        {
            "task": "semantic-segmentation",
            "data": {"format": "zip", "dimensions": 3, "patchSize": [32, 32, 32]},
        },
        ["train  val  test", "samples 14 4 2", "voxels of background", "sizes as trained: 48 × 48 × 48"],
    ),
}


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def validate(directory: Path, config: Mapping[str, Any], *options: str) -> int:
    file = directory / "config.json"
    file.write_text(json.dumps(config))
    return validate_data.main(["--config", str(file), *options])


def folder(directory: Path, images: int, broken: int = 0) -> dict[str, Any]:
    """Classified images, of which the first ones are no pictures; their config."""
    data = directory / "data"
    (data / "images").mkdir(parents=True)
    with (data / "metadata.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(("filename", "label"))
        for number in range(images):
            path = data / "images" / f"{number}.png"
            if number < broken:
                path.write_bytes(b"no picture")
            else:
                Image.fromarray(np.full((8, 8), number, np.uint8)).save(path)
            rows.writerow((path.name, "ab"[number % 2]))
    return {"task": "classification", "data": {"format": "directory", "path": str(data), "imageSize": 8}}


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_table_says_what_would_be_trained_on(
    sample: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, wanted = SAMPLES[sample]
    archive = tmp_path / "data.zip"
    if sample == "parts":
        write_parts(archive, 24)
    else:
        samples.SAMPLES[sample](archive)
    assert validate(tmp_path, config, "--set", f"data.path={archive}") == 0
    told, errors = capsys.readouterr()
    lines = [" ".join(line.split()) for line in told.splitlines()]
    for line in wanted:
        assert any(" ".join(line.split()) in each for each in lines), told
    assert lines[-1] == f"{archive} can be trained on"
    assert errors == ""


def test_every_problem_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder(tmp_path, images=40, broken=2 * NAMED)
    assert validate(tmp_path, config) == 65
    errors = capsys.readouterr().err
    for number in range(2 * NAMED):
        assert f"row {number + 2} of metadata.csv: image '{number}.png'" in errors
    assert "20 problems" in errors


@pytest.mark.parametrize(
    ("change", "options", "code", "told"),
    [
        ({"path": "/nowhere"}, (), 65, "/nowhere is not a directory"),
        ({"labelColumn": "diagnosis"}, (), 65, "no column 'diagnosis'"),
        ({"imageSize": 1}, (), 78, "data.imageSize"),
        ({"imagesize": 8}, (), 78, "no such field"),
        ({}, ("--processes", "16"), 65, "the val split has 8 images for 16 training processes"),
    ],
)
def test_the_exit_code_says_whose_fault_it_is(
    change: Mapping[str, Any],
    options: tuple[str, ...],
    code: int,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = folder(tmp_path, images=40)
    assert validate(tmp_path, {**config, "data": {**config["data"], **change}}, *options) == code
    assert told in capsys.readouterr().err


def test_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    config = folder(tmp_path, images=40)
    packed = tmp_path / "data.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in (tmp_path / "data").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "data"))
    assert validate(tmp_path, config, "--set", "data.format=zip", "--set", f"data.path={packed}") == 0
    assert list(scratch.iterdir()) == []

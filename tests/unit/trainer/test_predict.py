"""A finished run predicts files without labels, each task in its own form, and says what it cannot read."""

import csv
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import mobilenet_v3_large

from trainingrun_trainer import config, predict
from trainingrun_trainer.checkpoint_files import dumps
from trainingrun_trainer.data import images
from trainingrun_trainer.errors import BadConfig, BadData, TrainerError
from trainingrun_trainer.predicting import Learned
from trainingrun_trainer.tasks import task
from trainingrun_trainer.tasks.module import TaskModule

CLASSES = ("cat", "dog", "eel")


def finished_run(
    directory: Path,
    content: Mapping[str, Any],
    classes: tuple[str, ...] = CLASSES,
    labels: tuple[int, ...] = (),
) -> TaskModule:
    """A run directory with what `predict` reads, without training; the module whose weights it holds."""
    trained = config.parse({"task": "classification", **content})
    torch.manual_seed(1)
    # weights of classes would be counted in the data
    plain = config.parse({"task": "classification", **content, "loss": {}})
    module = task(trained.task).module(plain, Learned(classes, labels)).eval()
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "best_model.pt").write_bytes(dumps(module.state_dict()))
    (directory / "config.json").write_text(json.dumps(trained.to_wire()))
    run = {"classes": list(classes)} | ({"label_values": list(labels)} if labels else {})
    (directory / "run.json").write_text(json.dumps(run))
    return module


def classifying(**data: Any) -> dict[str, Any]:
    return {
        "data": {"format": "zip", "path": "/data/a.zip", "imageSize": 32, "batchSize": 2, **data},
        "model": {"architecture": "timm/test_resnet"},
    }


def pictures(directory: Path, names: tuple[str, ...], size: tuple[int, int] = (40, 24)) -> Path:
    random = np.random.default_rng(3)
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (*reversed(size), 3), dtype=np.uint8)).save(directory / name)
    return directory


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_classes_are_those_of_the_network_in_the_order_of_the_files(tmp_path: Path) -> None:
    module = finished_run(tmp_path / "run", classifying())
    data = pictures(tmp_path / "data", ("b.png", "deep/a.JPG", "c.bmp"))
    (data / "readme.txt").write_text("no picture")
    predict.predict(tmp_path / "run", data, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert [row["filename"] for row in found] == ["b.png", "c.bmp", "deep/a.JPG"]
    for row in found:
        pixels = images.decode((data / row["filename"]).read_bytes(), images.Shape(3, 32))
        logits = module(torch.tensor(pixels)[None])
        expected = logits.softmax(dim=1)[0].tolist()
        given = [float(row[f"probability_class_{name}"]) for name in CLASSES]
        assert given == pytest.approx(expected, abs=1e-5)
        assert row["label"] == CLASSES[int(np.argmax(expected))]


def test_a_bad_file_is_named_and_the_others_are_predicted(tmp_path: Path) -> None:
    finished_run(tmp_path / "run", classifying())
    data = pictures(tmp_path / "data", ("a.png", "b.png", "c.png"))
    (data / "b.png").write_text("no picture")
    with pytest.raises(SystemExit) as left:
        predict.main(
            ["--run-dir", str(tmp_path / "run"), "--data", str(data), "--out", str(tmp_path / "out")]
        )
    assert left.value.code == 65
    assert [row["filename"] for row in rows(tmp_path / "out")] == ["a.png", "c.png"]


def test_a_zip_and_a_single_file_are_taken_too(tmp_path: Path) -> None:
    finished_run(tmp_path / "run", classifying(channels=1))
    data = pictures(tmp_path / "data", ("a.png",))
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(data / "a.png", "below/a.png")
    for source, name in ((tmp_path / "data.zip", "below/a.png"), (data / "a.png", "a.png")):
        predict.predict(tmp_path / "run", source, tmp_path / "out")
        assert [row["filename"] for row in rows(tmp_path / "out")] == [name]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "holds no finished run"),
        (lambda path: (finished_run(path / "run", classifying()), None)[1], "does not exist"),
        (lambda path: (finished_run(path / "run", classifying()), (path / "data").mkdir())[1], "no files of"),
    ],
    ids=["no run", "no data", "no pictures"],
)
def test_what_is_not_there_is_said(tmp_path: Path, make: Any, said: str) -> None:
    make(tmp_path)
    with pytest.raises(TrainerError, match=said):
        predict.predict(tmp_path / "run", tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/predictions"])
def test_a_directory_that_cannot_be_written_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    finished_run(tmp_path / "run", classifying())
    (tmp_path / "file").write_text("taken")
    monkeypatch.setattr(predict, "_module", lambda *_: pytest.fail("the network was built"))
    with pytest.raises(BadConfig, match=r"--out .* cannot be written"):
        predict.predict(tmp_path / "run", pictures(tmp_path / "data", ("a.png",)), tmp_path / out)


@pytest.mark.parametrize("labels", [(0, 255), (0, 7000)])
def test_masks_have_the_size_of_the_picture_and_the_labels_of_the_data(
    tmp_path: Path, labels: tuple[int, int]
) -> None:
    content = {
        "task": "semantic-segmentation",
        "data": {"format": "zip", "path": "/data/a.zip", "imageSize": 32},
        "model": {"architecture": "unet", "encoder": "resnet18"},
        "loss": {"classWeights": "balanced"},
    }
    module = finished_run(tmp_path / "run", content, ("background", "scratch"), labels)
    data = pictures(tmp_path / "data", ("deep/a.JPG",))
    predict.predict(tmp_path / "run", data, tmp_path / "out")
    mask = np.asarray(Image.open(tmp_path / "out" / "deep" / "a.png"))
    assert mask.shape == (24, 40)
    pixels = images.decode((data / "deep/a.JPG").read_bytes(), images.Shape(3, 32))
    classes = module.loss.classes(module(torch.tensor(pixels)[None]))[0]  # type: ignore[operator, union-attr]
    assert set(np.unique(mask)) == {labels[index] for index in classes.unique().tolist()}
    assert len(np.unique(mask)) == 2


def test_two_pictures_with_one_mask_are_refused(tmp_path: Path) -> None:
    content = {
        "task": "semantic-segmentation",
        "data": {"format": "zip", "path": "/data/a.zip", "imageSize": 32},
        "model": {"architecture": "unet", "encoder": "resnet18"},
    }
    finished_run(tmp_path / "run", content, ("background", "scratch"), (0, 1))
    data = pictures(tmp_path / "data", ("a.bmp", "a.png"))
    with pytest.raises(BadData, match=r"a\.bmp and a\.png would both be"):
        predict.predict(tmp_path / "run", data, tmp_path / "out")


def test_masks_of_volumes_lie_where_the_volume_lies(tmp_path: Path) -> None:
    content = {
        "task": "semantic-segmentation",
        "data": {"format": "directory", "path": "/data", "dimensions": 3, "patchSize": [32, 32, 32]},
        "model": {"architecture": "unet", "parameters": {"channels": [4, 8], "strides": [2]}},
    }
    finished_run(tmp_path / "run", content, ("background", "liver"), (0, 3))
    (tmp_path / "data").mkdir()
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    voxels = np.random.default_rng(0).normal(size=(20, 24, 12)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "data" / "ct.nii.gz")
    np.save(tmp_path / "data" / "mr.npy", voxels)
    predict.predict(tmp_path / "run", tmp_path / "data", tmp_path / "out")
    mask: Any = nib.load(tmp_path / "out" / "ct.nii.gz")
    assert mask.shape == voxels.shape
    assert np.allclose(mask.affine, affine)
    assert set(np.unique(mask.dataobj)) <= {0, 3}
    assert np.load(tmp_path / "out" / "mr.npy").shape == voxels.shape


def test_objects_are_in_pixels_of_the_file(tmp_path: Path) -> None:
    content = {
        "task": "instance-segmentation",
        "data": {"format": "coco", "path": "/data", "imageSize": 64},
        "model": {
            "architecture": "maskrcnn_resnet50_fpn",
            "parameters": {"box_score_thresh": 0.0, "box_detections_per_img": 5},
        },
    }
    finished_run(tmp_path / "run", content, ("car", "tree"))
    data = pictures(tmp_path / "data", ("a.png",), (128, 96))
    predict.predict(tmp_path / "run", data, tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert (entry["file_name"], entry["width"], entry["height"]) == ("a.png", 128, 96)
    assert entry["objects"]
    assert [found["score"] for found in entry["objects"]] == sorted(
        (found["score"] for found in entry["objects"]), reverse=True
    )
    for found in entry["objects"]:
        left, top, width, height = found["bbox"]
        assert found["class"] in ("car", "tree")
        assert 0 <= left <= left + width <= 128.01
        assert 0 <= top <= top + height <= 96.01
        assert found["segmentation"]["size"] == [96, 128]
    assert max(left + width for left, _, width, _ in (found["bbox"] for found in entry["objects"])) > 64


def test_a_detector_that_began_with_weights_of_others_is_read_back(tmp_path: Path) -> None:
    torch.save(mobilenet_v3_large(weights=None).state_dict(), tmp_path / "encoder.pt")
    content = {
        "task": "object-detection",
        "data": {"format": "coco", "path": "/data", "imageSize": 64},
        "model": {
            "architecture": "fasterrcnn_mobilenet_v3_large_320_fpn",
            "encoderWeights": str(tmp_path / "encoder.pt"),
            "parameters": {"box_score_thresh": 0.0, "box_detections_per_img": 5},
        },
    }
    module = finished_run(tmp_path / "run", content, ("car",))
    data = pictures(tmp_path / "data", ("a.png",), (64, 48))
    predict.predict(tmp_path / "run", data, tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out" / "predictions.json").read_text())
    pixels = torch.from_numpy(np.asarray(Image.open(data / "a.png")).copy()).movedim(-1, 0)
    (expected,) = module([pixels])
    assert [found["score"] for found in entry["objects"]] == pytest.approx(
        expected["scores"].tolist(), abs=1e-5
    )

"""COCO, YOLO and dataset.json come to the same objects, and these to batches."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from tests.unit.trainer.annotated import (
    BOX_LINE,
    HEIGHT,
    PICTURES,
    POLYGON_LINE,
    SQUARE_MASK,
    WIDTH,
    YAML,
    coco,
    dataset_json,
    load,
    one_file,
    pictures,
    two_files,
    write,
    yolo,
)
from trainingrun_trainer import config as configs
from trainingrun_trainer.data import images
from trainingrun_trainer.data.detection import prepare
from trainingrun_trainer.data.detection_batches import DetectedImages
from trainingrun_trainer.data.instances import clip, decode, encode
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.errors import BadData
from trainingrun_trainer.samples.parts import write_parts

ENCODED = rle.encode(np.asfortranarray(SQUARE_MASK))
COUNTS = [10 * HEIGHT + 5, *([10, 10] * 10)]
COUNTS[-1] = WIDTH * HEIGHT - sum(COUNTS[:-1])

COMPRESSED = {"size": [HEIGHT, WIDTH], "counts": ENCODED["counts"].decode()}
UNCOMPRESSED = {"size": [HEIGHT, WIDTH], "counts": COUNTS}
FOLDERS = "images/{split}", "labels/{split}"
TURNED = "{split}/images", "{split}/labels"
AS_COCO = "annotations/instances_{split}2017.json", "{split}2017"
TEXT = {"classes.txt": "washer\nplate\n"}
BESIDE = {"labels/classes.txt": "washer\nplate\n"}
NUMBERED = {"data.yaml": "names: {0: washer, 1: plate}"}

LAYOUTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "coco, one file": ("coco", lambda path: one_file(path, coco())),
    "coco, as COCO": ("coco", lambda path: two_files(path, *AS_COCO)),
    "coco, a file a split": ("coco", lambda path: two_files(path, "{split}.json", "images")),
    "coco, as Roboflow": ("coco", lambda path: two_files(path, "{split}/_annotations.coco.json", "{split}")),
    "coco, RLE": ("coco", lambda path: one_file(path, coco(COMPRESSED))),
    "coco, RLE as numbers": ("coco", lambda path: one_file(path, coco(UNCOMPRESSED))),
    "yolo, boxes": ("yolo", lambda path: yolo(path, *FOLDERS, YAML, BOX_LINE)),
    "yolo, polygons": ("yolo", lambda path: yolo(path, *FOLDERS, YAML, POLYGON_LINE)),
    "yolo, split first": ("yolo", lambda path: yolo(path, *TURNED, TEXT, POLYGON_LINE)),
    "yolo, names beside labels": ("yolo", lambda path: yolo(path, "images", "labels", BESIDE, POLYGON_LINE)),
    "yolo, one folder": ("yolo", lambda path: yolo(path, "images", "labels", NUMBERED, POLYGON_LINE)),
    "dataset.json": ("dataset-json", lambda path: write(pictures(path), {"dataset.json": dataset_json()})),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_comes_to_the_same_objects(tmp_path: Path, layout: str) -> None:
    form, make = LAYOUTS[layout]
    masks = layout != "yolo, boxes"
    data = load(make(tmp_path), form, "instance-segmentation" if masks else "object-detection")
    assert data.classes == ("washer", "plate")
    assert {split: len(indices) for split, indices in data.splits.items()} == {"train": 2, "val": 2}
    seen = [data.target(index) for index in range(4)]
    assert [path.name for path in data.paths] == list(PICTURES)
    for target in seen[:3]:
        torch.testing.assert_close(
            target["boxes"], torch.tensor([[10.0, 5.0, 20.0, 15.0]]), atol=1e-4, rtol=0
        )
        assert target["labels"].tolist() == [2]
        if masks:
            assert np.array_equal(target["masks"].numpy(), SQUARE_MASK[None])
    assert seen[3]["boxes"].shape == (0, 4)
    if masks:
        assert seen[3]["masks"].shape == (0, HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bbox": None, "segmentation": None}, "has no bbox"),
        ({"bbox": [1, 1, -2, 3]}, "is -2 wide"),
        ({"segmentation": {"size": [1]}}, "is neither polygons nor an RLE"),
        ({"label": "nut"}, "has the label 'nut', which is not in classes"),
    ],
)
def test_wrong_objects_of_dataset_json_are_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    content = copy.deepcopy(dataset_json())
    content["images"][0]["annotations"][0] |= change
    directory = write(pictures(tmp_path), {"dataset.json": content})
    with pytest.raises(BadData, match=said):
        load(directory, "dataset-json")


@pytest.mark.parametrize("form", ["coco", "dataset-json"])
def test_suffixes_may_differ(tmp_path: Path, form: str) -> None:
    directory = one_file(tmp_path, coco()) if form == "coco" else pictures(tmp_path)
    write(directory, {"dataset.json": dataset_json()} if form != "coco" else {})
    (directory / "images" / "a.png").rename(directory / "images" / "a.PNG")
    assert load(directory, form).paths[0].name == "a.PNG"


@pytest.mark.parametrize(("side", "scale"), [(80, 2.0), (20, 0.5)])
def test_pictures_boxes_and_masks_are_resized_alike(tmp_path: Path, side: int, scale: float) -> None:
    data = load(one_file(tmp_path, coco()), "coco", "instance-segmentation", image_size=side)
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    assert data.image(0).shape == (3, height, width)
    target = data.target(0)
    assert target["boxes"].tolist() == [[10 * scale, 5 * scale, 20 * scale, 15 * scale]]
    assert int(target["masks"].sum()) == 100 * scale**2


def test_crowds_are_evaluated_and_not_trained_on(tmp_path: Path) -> None:
    content = coco()
    content["annotations"].append({**content["annotations"][0], "id": 9, "iscrowd": 1, "bbox": [0, 0, 9, 9]})
    data = load(one_file(tmp_path, content), "coco")
    config = configs.parse({"task": "object-detection", "data": {"format": "coco", "path": "/data"}})
    trained, evaluated = (
        data.batches(config, augmented=augmented)[0, 0].targets[0] for augmented in (True, False)
    )
    assert trained["iscrowd"].tolist() == [0]
    assert evaluated["iscrowd"].tolist() == [0, 1]


def test_what_does_not_fit_into_the_cache_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = one_file(tmp_path, coco())
    cached = load(directory, "coco").image(1)
    (directory / "scratch").rename(tmp_path / "first")
    monkeypatch.setattr(images, "CACHE_SHARE", 0.0)
    data = load(directory, "coco")
    assert data.pixels is None
    assert torch.equal(data.image(1), cached)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> DetectedImages:
    path = tmp_path_factory.mktemp("parts")
    write_parts(path / "parts.zip")
    config = configs.parse(
        {
            "task": "instance-segmentation",
            "data": {"format": "coco", "path": str(path / "parts.zip"), "imageSize": 128},
        }
    )
    (path / "scratch").mkdir()
    return prepare(config, path / "scratch", threads=1)


def test_batches_are_functions_of_seed_epoch_and_index(parts: DetectedImages) -> None:
    config = configs.parse(
        {
            "task": "instance-segmentation",
            "data": {"format": "coco", "path": "/data"},
            "augmentation": {
                "horizontalFlip": 0.5,
                "rotate90": 0.5,
                "rotateDegrees": 20,
                "noiseVariance": 20,
            },
        }
    )
    data: PreparedData = parts
    keys = [(epoch, index) for epoch in (0, 1) for index in range(4)]
    whole = data.batches(config, augmented=True).__getitems__(keys)
    alone = [data.batches(config, augmented=True)[key] for key in reversed(keys)][::-1]
    for number, batch in enumerate(alone):
        assert torch.equal(whole.images[number], batch.images[0])
        for name, values in whole.targets[number].items():
            assert type(values) is torch.Tensor
            assert torch.equal(values, batch.targets[0][name])
    assert not torch.equal(whole.images[0], whole.images[4])
    for image, target in zip(*whole, strict=True):
        height, width = image.shape[1:]
        assert target["masks"].shape == (len(target["boxes"]), height, width)
        assert bool((target["boxes"][:, 2:] > target["boxes"][:, :2]).all())
        assert target["masks"].flatten(1).any(dim=1).all()


def test_the_same_data_have_the_same_digest_and_split(parts: DetectedImages, tmp_path: Path) -> None:
    write_parts(tmp_path / "parts.zip")
    again = load(tmp_path, "coco", path=str(tmp_path / "parts.zip"), validationSplit=0.2, image_size=64)
    assert again.digest == parts.digest
    assert all(np.array_equal(again.splits[split], parts.splits[split]) for split in ("train", "val"))


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("numbers", [False, True], ids=["text", "numbers"])
def test_an_encoded_mask_is_what_was_drawn(share: float, numbers: bool) -> None:
    mask = (np.random.default_rng(0).random((170, 150)) < share).astype(np.uint8)
    encoded = rle.encode(np.asfortranarray(mask))
    if numbers:
        flat = np.concatenate([[0], mask.ravel(order="F"), [2]])  # runs begin with 0
        encoded["counts"] = np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()
    counts = encode(encoded, (150, 170), (150, 170))
    assert np.array_equal(decode(counts, (150, 170)), mask)


def test_clipping_says_what_is_wrong() -> None:
    assert clip((-0.01, 0.2, 0.5, 1.04), (1, 1)) == (0, 0.2, 0.5, 1)
    with pytest.raises(ValueError, match="no box of finite numbers"):
        clip((0, 0, float("inf"), 1), (1, 1))

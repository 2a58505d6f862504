"""Images and masks become batches that fit each other; what does not fit is named before training."""

import io
import json
import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainingrun_api import TrainingConfig
from trainingrun_trainer import config as configs
from trainingrun_trainer.data import images
from trainingrun_trainer.data.segmentation import SegmentedImages, prepare
from trainingrun_trainer.errors import BadConfig, BadData

NUMBERS = range(10)
SIDE = 16


def mask(number: int) -> np.ndarray:
    """A square of label 1, and of label 2 in every second mask, at a place of its own."""
    labels = np.zeros((SIDE, SIDE), dtype=np.uint8)
    labels[2:8, number % 8 : number % 8 + 4] = 1
    labels[10:14, 4:12] = 2 * (number % 2)
    return labels


def picture(labels: np.ndarray) -> np.ndarray:
    """A picture from which the mask can be read off."""
    return np.stack([labels * 100] * 3, axis=-1).astype(np.uint8)


def png(pixels: np.ndarray, form: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, form)
    return content.getvalue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten images and masks, and what each format says of them: 6 train, 2 val, 2 test."""
    source = tmp_path / "source"
    for folder in ("images", "masks"):
        (source / folder).mkdir(parents=True)
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    names = [f"{number}.png" for number in NUMBERS]
    for number, name in enumerate(names):
        (source / "images" / name).write_bytes(png(picture(mask(number))))
        (source / "masks" / name).write_bytes(png(mask(number)))
    rows = [f"{name},{name},{split}" for name, split in zip(names, splits, strict=True)]
    (source / "metadata.csv").write_text("\n".join(["filename,mask,split", *rows]))
    for split in ("train", "val", "test"):
        listed = [name for name, own in zip(names, splits, strict=True) if own == split]
        (source / f"{split}.txt").write_text("\n".join(name.removesuffix(".png") for name in listed))
    entries = [{"file": name, "split": [split]} for name, split in zip(names, splits, strict=True)]
    (source / "dataset.json").write_text(json.dumps({"images": entries}))
    return source


def config(source: Path, data_format: str = "directory", **data: Any) -> TrainingConfig:
    fields = {"format": data_format, "path": str(source), "imageSize": SIDE, **data}
    return configs.parse({"task": "semantic-segmentation", "data": fields})


def prepared(source: Path, data_format: str = "directory", **data: Any) -> SegmentedImages:
    scratch = source.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return prepare(config(source, data_format, **data), scratch, threads=2)


@pytest.mark.parametrize(
    ("data_format", "zipped"),
    [
        ("directory", False),
        ("zip", True),
        ("split-files", False),
        ("split-files", True),
        ("dataset-json", False),
        ("dataset-json", True),
    ],
)
def test_every_format_gives_the_same_samples(source: Path, data_format: str, zipped: bool) -> None:
    path = source
    if zipped:
        path = Path(shutil.make_archive(str(source.parent / "data"), "zip", source.parent, "source"))
    data = prepared(path, data_format)
    assert {split: indices.tolist() for split, indices in data.splits.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "val": [6, 7],
        "test": [8, 9],
    }
    assert data.classes == ("background", "1", "2")
    assert data.label_values == (0, 1, 2)
    assert (
        data.pixel_counts("val")
        == np.bincount(np.concatenate([mask(6).ravel(), mask(7).ravel()]), minlength=3).tolist()
    )
    batch = data.batches(config(path), augmented=False).__getitems__([(0, 3), (0, 8)])
    assert batch.images.dtype == torch.uint8
    assert batch.masks.dtype == torch.int64
    assert batch.masks.tolist() == np.stack([mask(3), mask(8)]).tolist()
    assert batch.images.tolist() == np.stack([np.moveaxis(picture(mask(n)), -1, 0) for n in (3, 8)]).tolist()
    assert data.digest == prepared(source, "directory").digest


@pytest.mark.parametrize("size", [8, 40])
@pytest.mark.parametrize("fits", [True, False], ids=["kept", "read again"])
def test_batches_are_the_same_whether_kept_or_read_again(
    source: Path, size: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = prepared(source, imageSize=size)
    expected = kept.batches(config(source), augmented=False).__getitems__([(0, i) for i in NUMBERS])
    monkeypatch.setattr(images, "CACHE_SHARE", 0.5 if fits else 0.0)
    data = pickle.loads(pickle.dumps(prepared(source, imageSize=size)))
    assert (data.masks.cache is not None) == (data.images.cache is not None) == fits
    batch = data.batches(config(source), augmented=False).__getitems__([(0, i) for i in NUMBERS])
    assert torch.equal(batch.images, expected.images)
    assert torch.equal(batch.masks, expected.masks)
    assert batch.masks.shape == (10, size, size)
    assert set(batch.masks.unique().tolist()) <= {0, 1, 2}


def test_augmented_batches_depend_on_seed_epoch_and_index_alone(source: Path) -> None:
    data = prepared(source)
    batches = data.batches(config(source), augmented=True)
    keys = [(4, index) for index in NUMBERS]
    batch = batches.__getitems__(keys)
    alone = batches[(4, 7)]
    assert torch.equal(batch.images[7:8], alone.images)
    assert torch.equal(batch.masks[7:8], alone.masks)
    assert not torch.equal(batch.images, batches.__getitems__([(5, index) for index in NUMBERS]).images)
    still = data.batches(config(source), augmented=False).__getitems__(keys)
    assert not torch.equal(batch.masks, still.masks)
    again = data.batches(config(source), augmented=False).__getitems__(keys)
    assert torch.equal(again.images, still.images), "augmentation must not write into what is kept"


@pytest.mark.parametrize(
    ("fields", "classes", "values", "seen"),
    [
        ({"targetLabel": 2}, ("background", "2"), (0, 2), {0, 1}),
        ({"ignoreLabel": 2}, ("background", "1"), (0, 1), {0, 1, 255}),
        ({"classNames": [*"abcd"]}, tuple("abcd"), (0, 1, 2, 3), {0, 1, 2}),
    ],
)
def test_labels_are_classes_as_the_config_says(
    source: Path, fields: dict[str, Any], classes: tuple[str, ...], values: tuple[int, ...], seen: set[int]
) -> None:
    data = prepared(source, **fields)
    assert (data.classes, data.label_values) == (classes, values)
    batch = data.batches(config(source), augmented=False).__getitems__([(0, 1)])
    assert set(batch.masks.flatten().tolist()) == seen
    assert sum(data.pixel_counts("train")) + 6 * SIDE**2 * (255 in seen) >= 6 * SIDE**2


def test_black_and_white_masks_are_binary(source: Path) -> None:
    for number in NUMBERS:
        (source / "masks" / f"{number}.png").write_bytes(png((mask(number) > 0).astype(np.uint8) * 255))
    data = prepared(source)
    assert data.label_values == (0, 255)
    batch = data.batches(config(source), augmented=False)[(0, 1)]
    assert set(batch.masks.flatten().tolist()) == {0, 1}


SQUARE = [[2, 3, 10, 3, 10, 11, 2, 11]]
INNER = [[4, 5, 8, 5, 8, 9, 4, 9]]
RUNS = {"size": [SIDE, SIDE], "counts": [2 * SIDE + 3, 8, SIDE - 8, 8, SIDE * 12 + 5]}
"""Two columns of eight pixels, from the third column and the fourth row on."""


def write_coco(source: Path, *segmentations: Any, size: tuple[int, int] = (SIDE, SIDE)) -> None:
    """The same objects in every picture, the first of category 7, which comes second."""
    width, height = size
    content = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
            for number in NUMBERS
        ],
        "annotations": [
            {
                "image_id": number,
                "category_id": 6 if index else 7,
                "segmentation": segmentation,
                "bbox": [2, 3, 8, 8],
            }
            for number in NUMBERS
            for index, segmentation in enumerate(segmentations)
        ],
        "categories": [{"id": 7, "name": "bolt"}, {"id": 6, "name": "plate"}],
    }
    (source / "dataset.json").unlink()
    (source / "annotations.json").write_text(json.dumps(content))


def test_coco_objects_are_drawn_the_small_ones_on_top(source: Path) -> None:
    write_coco(source, INNER, SQUARE)
    data = prepared(source, "coco")
    assert data.classes == ("background", "plate", "bolt")
    assert data.label_values == (0, 1, 2)
    drawn = data.batches(config(source), augmented=False)[(0, 3)].masks[0]
    expected = torch.zeros(SIDE, SIDE, dtype=torch.int64)
    expected[3:11, 2:10] = 1
    expected[5:9, 4:8] = 2
    assert (drawn != expected).sum() <= 8, "up to how outlines are rounded"
    assert sorted(map(len, data.splits.values())) == [2, 8]


def test_coco_encodings_are_drawn_pixel_by_pixel(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_coco(source, RUNS)
    data = prepared(source, "coco", targetLabel=2)
    expected = torch.zeros(SIDE, SIDE, dtype=torch.int64)
    expected[3:11, 2:4] = 1
    assert torch.equal(data.batches(config(source), augmented=False)[(0, 3)].masks[0], expected)
    monkeypatch.setattr(images, "CACHE_SHARE", 0.0)
    again = prepared(source, "coco", targetLabel=2)
    assert torch.equal(again.batches(config(source), augmented=False)[(0, 3)].masks[0], expected)
    assert again.digest == data.digest


@pytest.mark.parametrize(
    ("segmentation", "size", "said"),
    [
        (SQUARE, (20, 30), "mask of 20 x 30 pixels for image '0.png' of 16 x 16"),
        (
            SQUARE,
            (10**6, 10**6),
            "is 1000000 x 1000000 in the annotations, which are too many pixels",
        ),
        ([[1, 2, 3, 4]], (SIDE, SIDE), "of annotations.json has a polygon of 4 numbers"),
        (
            {"size": [SIDE, SIDE], "counts": [3, 4]},
            (SIDE, SIDE),
            "of annotations.json has an RLE of 7 pixels",
        ),
    ],
)
def test_coco_objects_that_do_not_fit_are_named(
    source: Path, segmentation: Any, size: tuple[int, int], said: str
) -> None:
    write_coco(source, segmentation, size=size)
    with pytest.raises(BadData) as refused:
        prepared(source, "coco")
    assert said in refused.value.message
    assert refused.value.message.count(";") == len(NUMBERS) - 1, "all pictures have it"


def replace(path: str, content: bytes | None) -> Any:
    def change(source: Path) -> None:
        (source / path).unlink()
        if content is not None:
            (source / path).write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("change", "fields", "error", "said"),
    [
        (replace("masks/3.png", None), {}, BadData, "row 5 of metadata.csv: '3.png' is not in masks/"),
        (replace("images/3.png", None), {}, BadData, "row 5 of metadata.csv: '3.png' is not in images/"),
        (replace("images/3.png", b"x"), {}, BadData, "row 5 of metadata.csv: image '3.png' is no intact PNG"),
        (replace("masks/3.png", b"x"), {}, BadData, "row 5 of metadata.csv: mask '3.png' is no intact PNG"),
        (
            replace("masks/3.png", png(mask(3)[:, :9])),
            {},
            BadData,
            "row 5 of metadata.csv: mask of 9 x 16 pixels for image '3.png' of 16 x 16",
        ),
        (
            replace("masks/3.png", png(picture(mask(3)))),
            {},
            BadData,
            "row 5 of metadata.csv: mask '3.png' has the mode RGB",
        ),
        (
            replace("masks/3.png", png(mask(3) + np.uint8(5))),
            {"classNames": ["a", "b", "c"]},
            BadData,
            "row 5 of metadata.csv: mask holds the labels 5, 6, 7",
        ),
        (lambda source: None, {"targetLabel": 9}, BadConfig, "data.targetLabel is 9"),
        (
            replace("metadata.csv", b"filename,split\n0.png,val\n1.png,val\n"),
            {},
            BadData,
            "the train split of",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    source: Path, change: Any, fields: dict[str, Any], error: type[Exception], said: str
) -> None:
    change(source)
    with pytest.raises(error) as refused:
        prepared(source, **fields)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("table", "sizes"),
    [
        ("filename\n0.png\n1.png\n3\n5.png\n", {"train": 2, "val": 1, "test": 1}),
        ("filename,split\n0.png,train\n1.png,train\n3.png,test\n", {"train": 1, "val": 1, "test": 1}),
    ],
    ids=["no split", "no val"],
)
def test_the_seed_cuts_what_the_table_does_not_assign(
    source: Path, table: str, sizes: dict[str, int]
) -> None:
    (source / "metadata.csv").write_text(table)
    splits = prepared(source, testSplit=0.25, validationSplit=0.25).splits
    assert {split: len(indices) for split, indices in splits.items()} == sizes
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(sum(sizes.values())))


def test_the_first_ten_of_all_problems_are_named(source: Path) -> None:
    rows = "".join(f"missing{number}.png\n" for number in range(13))
    (source / "metadata.csv").write_text("filename\n" + rows)
    with pytest.raises(BadData) as refused:
        prepared(source)
    assert refused.value.message.startswith(
        "26 problems, the first 10: row 2 of metadata.csv: 'missing0.png'"
    )


def test_counts_are_logged_and_a_split_without_a_class_is_warned_of(
    source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (6, 7):
        (source / "masks" / f"{number}.png").write_bytes(png(np.zeros((SIDE, SIDE), dtype=np.uint8)))
    with caplog.at_level(logging.INFO):
        prepared(source)
    assert "train: 6 images, pixels: background 84.38%, 1 9.38%, 2 6.25%" in caplog.text
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["no mask of the val split shows 1, 2"]

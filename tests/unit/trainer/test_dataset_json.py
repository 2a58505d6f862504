"""dataset.json: what it says is read for the split that counts; what is wrong in it is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import dataset_json
from trainingrun_trainer.errors import BadData

CONFIG = DataConfig(format="dataset-json", path="/data")
CATS = [
    {
        "file": f"{number}.png",
        "split": ["train" if number < 4 else "valid", "test"],
        "label": "cat" if number % 2 else "dog",
    }
    for number in range(6)
]
COW = {**CATS[5], "label": "cow"}


def one(**fields: Any) -> dict[str, Any]:
    """A data set of one image."""
    return {"images": [{"file": "a.png", "split": "train", **fields}]}


def read(tmp_path: Path, content: object, config: DataConfig = CONFIG) -> dataset_json.Dataset:
    (tmp_path / "dataset.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return dataset_json.read(tmp_path, config)


def test_the_split_of_the_index_counts(tmp_path: Path) -> None:
    images = [
        {"file": "a.png", "split": ["train", "val"]},
        {"filename": "b.png", "split": ["Validation", "test"], "mask": "b_mask.png"},
        {"file": "c.png", "split": [None, "train"], "label": 3},
    ]
    first = read(tmp_path, {"images": images})
    assert [(entry.file, entry.split, entry.mask) for entry in first.entries] == [
        ("a.png", "train", None),
        ("b.png", "val", "b_mask.png"),
    ]
    second = read(tmp_path, {"images": images}, CONFIG.model_copy(update={"split_index": 1}))
    assert [(entry.file, entry.split, entry.label) for entry in second.entries] == [
        ("a.png", "val", None),
        ("b.png", "test", None),
        ("c.png", "train", "3"),
    ]


def test_annotations_are_read_as_coco_has_them(tmp_path: Path) -> None:
    bolt = {"category": "bolt", "bbox": [1, 2, 3, 4], "segmentation": [[1, 2, 4, 2, 4, 6]]}
    image = {"file": "a.png", "split": "train", "width": 8, "height": 9, "annotations": [bolt]}
    entry = read(tmp_path, {"classes": ["nut", "bolt"], "images": [image]}).entries[0]
    assert entry.size == (8, 9)
    assert entry.annotations[0].label == "bolt"
    assert entry.annotations[0].bbox == [1, 2, 3, 4]
    assert entry.annotations[0].segmentation == [[1, 2, 4, 2, 4, 6]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the text of dataset.json: Invalid JSON"),
        ("[]", "of dataset.json"),
        ({}, "images of dataset.json: Field required"),
        ({"images": []}, "no image of dataset.json has a split"),
        ({"images": [{"file": "a.png"}]}, "images[0].split of dataset.json: Field required"),
        ({"images": [{"split": ["train"]}]}, "images[0].file of dataset.json: Field required"),
        (one(split=[]), "images[0] of dataset.json has 0 splits"),
        (one(split=["dev"]), "has the split 'dev' instead of train, val or test"),
        (one(file="../a.png"), "names '../a.png', which is outside"),
        (one(mask="/m.png"), "names '/m.png', which is outside"),
        ({"images": one()["images"] * 2}, "images[1] of dataset.json names 'a.png' as images[0]"),
        ({"classes": ["a"], **one(label="b")}, "label 'b', which is not in classes"),
        ({"classes": ["a", "a"], **one()}, "classes of dataset.json hold a name twice"),
        (
            one(annotations=[{"label": "x", "bbox": [1, 2]}]),
            "images[0].annotations[0].bbox of dataset.json is",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(BadData) as refused:
        read(tmp_path, content)
    assert said in refused.value.message
    assert refused.value.advice


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no dataset.json in /data"):
        dataset_json.read(tmp_path, CONFIG)


def test_labels_make_a_classification(tmp_path: Path) -> None:
    read(tmp_path, {"images": CATS})
    table = dataset_json.classified(tmp_path, CONFIG, seed=1)
    assert table.classes == ("cat", "dog")
    assert table.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert {split: indices.tolist() for split, indices in table.splits.items()} == {
        "train": [0, 1, 2, 3],
        "val": [4, 5],
    }
    read(tmp_path, {"classes": ["dog", "cow", "cat"], "images": CATS})
    assert dataset_json.classified(tmp_path, CONFIG, seed=1).classes == ("dog", "cat")


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([{**CATS[0], "label": None}, *CATS[1:]], "images[0] of dataset.json has no label"),
        ([{**CATS[0], "label": float("nan")}, *CATS[1:]], "images[0] of dataset.json has no label"),
        ([{**cat, "label": "cat"} for cat in CATS], "all images are of the single class 'cat'"),
        ([*CATS[:5], COW], "images[5] of dataset.json has class 'cow', which is not in train"),
        ([*CATS[:5]], "the val split holds the single class 'dog'"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(tmp_path: Path, images: list[Any], said: str) -> None:
    read(tmp_path, {"images": images})
    with pytest.raises(BadData) as refused:
        dataset_json.classified(tmp_path, CONFIG, seed=1)
    assert said in refused.value.message

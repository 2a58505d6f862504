"""Images find their masks and splits, whatever names them, and what is missing is told at once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data.pairs import Pairs, pairs
from trainingrun_trainer.errors import BadData

FOUR = {f"{folder}/{name}.png": "" for folder in ("images", "masks") for name in "abcd"}
ROWS = "filename,split\na.png,train\nb.png,train\nc.png,val\nd.png,test\n"


def found(root: Path, files: Mapping[str, str], data_format: str = "directory", **config: Any) -> Pairs:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    data = DataConfig.model_validate({"format": data_format, "path": str(root), **config})
    return pairs(root, data, seed=42)


def named(found: Pairs, split: str) -> list[tuple[str, str]]:
    return [(found.images[index].name, found.masks[index].name) for index in found.splits[split]]


@pytest.mark.parametrize(
    ("data_format", "lists"),
    [
        ("directory", {"metadata.csv": ROWS}),
        ("split-files", {"train.txt": "a.png\nb\n", "val.txt": "\ufeffc.png\n\n", "test.txt": " d.png \n"}),
        (
            "dataset-json",
            {
                "dataset.json": json.dumps(
                    {
                        "images": [
                            {"file": f"{name}.png", "split": [split]}
                            for name, split in zip("abcd", ("train", "train", "val", "test"), strict=True)
                        ]
                    }
                )
            },
        ),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, data_format: str, lists: dict[str, str]) -> None:
    result = found(tmp_path, FOUR | lists, data_format)
    assert named(result, "train") == [("a.png", "a.png"), ("b.png", "b.png")]
    assert named(result, "val") == [("c.png", "c.png")]
    assert named(result, "test") == [("d.png", "d.png")]
    assert "metadata.csv" in result.where[0] or "train.txt" in result.where[0] or "dataset" in result.where[0]


def test_split_files_may_lie_in_a_directory_of_their_own(tmp_path: Path) -> None:
    lists = {"splits/train.txt": "a\nb\n", "splits/val.txt": "c\n", "train.txt": "d\n"}
    result = found(tmp_path, FOUR | lists, "split-files", splitsDirectory="splits")
    assert named(result, "train") == [("a.png", "a.png"), ("b.png", "b.png")]


def test_folders_of_splits_need_no_list(tmp_path: Path) -> None:
    files = {
        f"{split}/{folder}/{split}{suffix}": ""
        for split in ("train", "val")
        for folder, suffix in (("images", ".nii.gz"), ("masks", ".nii"))
    }
    result = found(tmp_path, files | {"train/images/.hidden": ""})
    assert named(result, "train") == [("train.nii.gz", "train.nii")]
    assert named(result, "val") == [("val.nii.gz", "val.nii")]
    assert result.where == ("train/", "val/")


def test_masks_may_have_names_of_their_own(tmp_path: Path) -> None:
    files = {"x/a.jpg": "", "x/b.jpg": "", "y/first.png": "", "y/b_mask.png": ""}
    table = "filename,mask,split\na.jpg,first.png,train\nb.jpg,b_mask,val\n"
    config = {"imagesDirectory": "x", "masksDirectory": "y"}
    result = found(tmp_path, files | {"metadata.csv": table}, **config)
    assert named(result, "train") == [("a.jpg", "first.png")]
    assert named(result, "val") == [("b.jpg", "b_mask.png")]


@pytest.mark.parametrize(
    ("data_format", "lists"),
    [
        ("directory", {"metadata.csv": "filename\na.png\nb.png\nc.png\nd.png\n"}),
        ("split-files", {"train.txt": "a.png\nb.png\nc.png\nd.png\n"}),
    ],
)
def test_without_splits_the_seed_cuts_them(tmp_path: Path, data_format: str, lists: dict[str, str]) -> None:
    result = found(tmp_path, FOUR | lists, data_format, validationSplit=0.25)
    assert len(result.splits["train"]) == 3
    assert len(result.splits["val"]) == 1
    assert result.splits.keys() == {"train", "val"}


@pytest.mark.parametrize(
    ("data_format", "lists", "said"),
    [
        ("directory", {}, "there is no metadata.csv"),
        ("directory", {"metadata.csv": "filename,split\na.png,train\n"}, "too few for 2 splits"),
        ("directory", {"metadata.csv": "filename,split\na.png,val\n"}, "the train split .* is empty"),
        ("directory", {"metadata.csv": "filename\ne.png\na.png\n"}, "row 2 .*: 'e.png' is not in images/"),
        ("directory", {"metadata.csv": "filename,mask\na,../b\nb,b\n"}, r"row 2 .* '../b', which is outside"),
        ("directory", {"metadata.csv": "filename,mask\na,z\nb,b\n"}, "row 2 .*: 'z' is not in masks/"),
        ("directory", {"metadata.csv": "filename,split\na,valid\nb,b\n"}, "row 2 .* has 'valid'"),
        ("directory", {"metadata.csv": "filename\na\na.png\n"}, "row 3 .* names 'a.png', as row 2 .* does"),
        ("split-files", {}, "there is no train.txt"),
        ("split-files", {"train.txt": "\n"}, "names no image"),
        ("split-files", {"train.txt": "a\n", "val.txt": "a\n"}, "line 1 of val.txt .* line 1 of train.txt"),
        ("split-files", {"train.txt": "/a\n"}, "line 1 of train.txt names '/a', which is outside"),
        ("directory", {"train/images/a.png": ""}, "the mask of train/images/a.png is not in masks/"),
        ("directory", {"train/images/.a": "", "val/images/a": "", "val/masks/a": ""}, "the train split"),
        ("directory", {"train/images/.a": ""}, "the train split .* is empty"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(tmp_path: Path, data_format: str, lists: dict[str, str], said: str) -> None:
    with pytest.raises(BadData, match=said) as refused:
        found(tmp_path, FOUR | lists, data_format)
    assert refused.value.advice


def test_the_first_ten_are_named(tmp_path: Path) -> None:
    rows = "".join(f"nothing{number}\n" for number in range(30))
    with pytest.raises(BadData, match=r"60 problems, the first 10: row 2 .*; row 2 .*; row 6 "):
        found(tmp_path, {"metadata.csv": f"filename\n{rows}"})

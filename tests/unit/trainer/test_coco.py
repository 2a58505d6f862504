"""COCO: what is wrong in it is named, ten problems at a time; what is merely unusual is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.trainer.annotated import (
    HEIGHT,
    WIDTH,
    changed,
    coco,
    draw,
    load,
    of_annotation,
    of_image,
    one_file,
    two_files,
    write,
)
from trainingrun_trainer.errors import BadData

WRONG_COCO: list[tuple[dict[str, Any] | str, str]] = [
    ("{", "the text of annotations.json: Invalid JSON"),
    ("[]", "the text of annotations.json is \\[\\]: Input should be an object"),
    (changed(lambda content: content.pop("categories")), "categories of annotations.json: Field required"),
    (changed(lambda content: content.update(categories=[])), "categories of annotations.json are empty"),
    (changed(lambda content: content["categories"][0].update(id=3)), "categories .* have an id twice"),
    (changed(lambda content: content["categories"][0].update(name="washer")), "have the name 'washer'"),
    (of_image(id=0), r"images\[1\] .* has the id 0 of another"),
    (of_image(file_name="a.png"), r"images\[0\] .* is there twice"),
    (of_image(file_name="../a.png"), "outside of the data"),
    (of_image(file_name="e.png"), r"images\[1\] .* cannot be read"),
    (of_image(width=39), "is 39 x 20 in the annotations and 40 x 20"),
    (of_image(height=0), r"images\[1\].height .* is 0: "),
    (changed(lambda content: content.update(annotations=[])), "no image of the train split has an object"),
    (of_annotation(category_id=9), r"annotations\[0\] of annotations.json has the unknown category_id 9"),
    (of_annotation(image_id=9), r"annotations\[0\] .* has the unknown image_id 9"),
    (of_annotation(id=1), r"annotations\[1\] .* has the id 1 of another annotation"),
    (of_annotation(bbox=[10, 5, 10]), "has a bbox of 3 numbers"),
    (of_annotation(bbox=[10, 5, 0, 10]), "is 0 wide and 10 high"),
    (of_annotation(bbox=[10, 5, 10, -1]), "is 10 wide and -1 high"),
    (of_annotation(bbox=[10, 5, float("nan"), 10]), r"annotations\[0\].bbox\[2\] .* is nan: Input should"),
    (of_annotation(bbox=[10, 5, 33, 10]), "reaches from 10, 5, 43, 15 in a picture of 40 x 20"),
    (of_annotation(bbox=[400, 5, 10, 10]), "reaches from 400, 5, 410, 15"),
    (of_annotation(segmentation=[]), r"annotations\[0\] .* has no segmentation"),
    (of_annotation(segmentation=[[1, 2, 3, 4]]), "has a polygon of 4 numbers"),
    (of_annotation(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "has a polygon of 7 numbers"),
    (of_annotation(segmentation=[[1, 2, 3, 4, 5000, 6]]), "reaches from 1, 2, 5000, 6"),
    (of_annotation(segmentation={"size": [9, 9], "counts": "abc"}), r"has an RLE of size \[9, 9\]"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": "z" * 100}), "has a damaged RLE"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": [5, 5]}), "has an RLE of 10 pixels"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": ""}), "has an RLE of 0 pixels in a pic"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": "1"}), "has an RLE of 1 pixels in a pic"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": "o"}), "has a damaged RLE"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": [800]}), "RLE without any pixel of the"),
    (of_annotation(segmentation={"size": [HEIGHT, WIDTH], "counts": [0.5]}), r"numbers\[0\] .* is 0.5"),
    (of_annotation(segmentation=[1, 2, 3, 4, 5, 6]), r"segmentation.polygons\[0\] .* is 1: "),
    (changed(lambda content: content["categories"][0].update(name="")), r"categories\[0\].name .* is '': "),
    (of_image(file_name="a" * 300), "aaa cannot be read: File name too long"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG_COCO, ids=[said for _, said in WRONG_COCO])
def test_wrong_coco_is_named(tmp_path: Path, content: dict[str, Any] | str, said: str) -> None:
    directory = one_file(tmp_path, coco())
    write(directory, {"annotations.json": content})
    with pytest.raises(BadData, match=said) as error:
        load(directory, "coco", "instance-segmentation")
    assert error.value.advice


@pytest.mark.parametrize(
    ("content", "mark"),
    [(coco(), b"\xef\xbb\xbf"), (of_annotation(bbox=None), b""), (of_annotation(bbox=[]), b"")],
    ids=["BOM", "null box", "empty box"],
)
def test_what_is_merely_unusual_is_read(tmp_path: Path, content: dict[str, Any], mark: bytes) -> None:
    directory = one_file(tmp_path, content)
    (directory / "annotations.json").write_bytes(mark + json.dumps(content).encode())
    data = load(directory, "coco", "instance-segmentation")
    assert data.target(0)["boxes"].tolist() == [[10, 5, 20, 15]]


def test_which_file_is_for_which_split_must_be_clear(tmp_path: Path) -> None:
    write(draw(tmp_path, "images/a.png"), {"one.json": coco(), "two.json": coco()})
    with pytest.raises(BadData, match=r"unclear which splits the COCO files one\.json, two\.json are for"):
        load(tmp_path, "coco")


def test_validation_is_taken_out_of_train_where_no_file_is_for_it(tmp_path: Path) -> None:
    directory = two_files(tmp_path, "{split}.json", "images")
    (directory / "val.json").unlink()
    splits = load(directory, "coco").splits
    assert {split: len(indices) for split, indices in splits.items()} == {"train": 1, "val": 1}


def test_a_directory_without_annotations_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="there are no COCO annotations"):
        load(draw(tmp_path, "images/a.png"), "coco")


def test_the_first_ten_problems_are_named_and_all_are_counted(tmp_path: Path) -> None:
    content = coco()
    content["annotations"] = [
        content["annotations"][0] | {"id": number, "category_id": 9} for number in range(12)
    ]
    with pytest.raises(BadData, match=r"^12 problems, the first 10: ") as error:
        load(one_file(tmp_path, content), "coco")
    assert str(error.value).count("unknown category_id 9") == 10


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    directory = one_file(tmp_path, coco())
    (directory / "images" / "b.png").write_bytes(b"no picture")
    with pytest.raises(BadData, match=r"images\[1\] of annotations.json \(b.png\) is no intact"):
        load(directory, "coco")


def test_objects_may_reach_a_little_out_of_the_picture_and_are_cut(tmp_path: Path) -> None:
    data = load(one_file(tmp_path, of_annotation(bbox=[-1.0, 5, 42.5, 10])), "coco")
    assert data.target(0)["boxes"].tolist() == [[0, 5, WIDTH, 15]]

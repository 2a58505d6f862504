"""YOLO: what is wrong in it is named by file and line; lists, capitals and null names do what they say."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.trainer.annotated import BOX_LINE, YAML, draw, load, write, yolo
from trainingrun_trainer.errors import BadData

FOLDERS = "images/{split}", "labels/{split}"
LISTS = {
    "data.yaml": "names: [washer, plate]\ntrain: train.txt\nval: val.txt\n",
    "train.txt": "./images/train/a.png\n",
    "val.txt": "images/val/c.png\n",
}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.1 0.1", r"line 1 of labels/train/a.txt has the class 2 of 2 \(0 to 1\)"),
        ("-1 0.5 0.5 0.1 0.1", "has the class -1"),
        ("0.5 0.5 0.5 0.1 0.1", "has the class 0.5"),
        ("0 0.5 0.5 0.1", "has 4 numbers instead of 5"),
        ("0 0.5 0.5 0.1 0.1 0.9", "has 6 numbers instead of 5"),
        ("0 0.5 0.5 0.1 nan", "has 'nan' in place of a number"),
        ("0 0.5 0.5 0.1 x", "has 'x' in place of a number"),
        ("0 0.5 0.5 0 0.1", "is 0 wide and 0.1 high"),
        ("0 20 10 10 5", "reaches from 15, 7.5, 25, 12.5 in a picture of 1 x 1"),
    ],
)
def test_wrong_lines_of_yolo_are_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(BadData, match=said):
        load(yolo(tmp_path, *FOLDERS, YAML, line), "yolo")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data.yaml": "names: ["}, "data.yaml cannot be read as YAML"),
        ({"data.yaml": "3"}, "data.yaml holds no fields"),
        ({"data.yaml": "names: {1: a}"}, "names of data.yaml have the keys 1"),
        ({"data.yaml": "names: [a, a]"}, "are not different"),
        ({"data.yaml": "names: [a, b]\nnc: 3"}, "nc: 3 and has 2 names"),
        ({"data.yaml": "names: [a, b]\ntrain: no/where"}, "names 'no/where' for train, which is not there"),
        ({"data.yaml": "names: [a, b]\ntrain: /images"}, "names '/images', which is outside"),
        ({"data.yaml": "names: {0: a, '1': b}"}, "names of data.yaml have the keys 0, '1'"),
        ({"data.yaml": "names: [no, 'yes']"}, r"the class names \[False, 'yes'\] are no list of names"),
        ({"data.yaml": "names: [a, null]"}, r"the class names \['a', None\] are no list of names"),
        ({"data.yaml": "names: [a, '']"}, "are no list of names"),
        ({"data.yaml": "names: " + "[" * 3000}, "data.yaml cannot be read as YAML"),
        ({"data.yaml": "names: [a, b]\ntrain: 5"}, "data.yaml names 5 for train, which is no path"),
        ({"data.yaml": f"names: [a, b]\ntrain: {'a' * 300}"}, "aaa cannot be read: File name too long"),
        (
            LISTS | {"train.txt": "images/train/a.png\n\nx.png\n"},
            "line 3 of train.txt names 'x.png', which",
        ),
        (LISTS | {"train.txt": "/a.png\n"}, "line 1 of train.txt names '/a.png', which is outside"),
        ({}, "there is neither data.yaml with names nor classes.txt"),
        (YAML | {"labels/val/x.txt": BOX_LINE}, "labels/val/x.txt has no image"),
        (YAML | {"labels/val/c.txt": ""}, "no image of the val split has an object"),
    ],
)
def test_wrong_files_of_yolo_are_named(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    directory = yolo(tmp_path, *FOLDERS, {}, BOX_LINE)
    with pytest.raises(BadData, match=said):
        load(write(directory, files), "yolo")


def test_boxes_alone_are_no_instance_segmentation(tmp_path: Path) -> None:
    directory = yolo(tmp_path, *FOLDERS, YAML, BOX_LINE)
    with pytest.raises(BadData, match=r"line 1 of labels/train/a.txt has a box where a polygon is needed"):
        load(directory, "yolo", "instance-segmentation")


def test_a_list_may_leave_out_images(tmp_path: Path) -> None:
    data = load(yolo(tmp_path, *FOLDERS, LISTS, BOX_LINE), "yolo")
    assert [path.name for path in data.paths] == ["a.png", "c.png"]


def test_labels_with_a_suffix_in_capitals_are_read(tmp_path: Path) -> None:
    directory = yolo(tmp_path, *FOLDERS, YAML, BOX_LINE)
    (directory / "labels/train/a.txt").rename(directory / "labels/train/a.TXT")
    assert load(directory, "yolo").target(0)["labels"].tolist() == [2]


def test_a_text_file_is_for_one_image(tmp_path: Path) -> None:
    directory = draw(yolo(tmp_path, *FOLDERS, YAML, BOX_LINE), "images/train/a.jpg")
    with pytest.raises(BadData, match=r"labels/train/a.txt is for images/train/a.jpg and images/train/a.png"):
        load(directory, "yolo")

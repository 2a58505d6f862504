"""COCO, YOLO and dataset.json come to the same objects; what is wrong in them is named, ten at a time."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle

from trainingrun_trainer import config as configs
from trainingrun_trainer.data import images
from trainingrun_trainer.data.detection import DetectedImages, prepare
from trainingrun_trainer.data.instances import clip, decode, encode
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.errors import BadData
from trainingrun_trainer.samples.parts import write_parts

WIDTH, HEIGHT = 40, 20
SHARES = {"validationSplit": 0.5}
SQUARE = [10.0, 5.0, 20.0, 5.0, 20.0, 15.0, 10.0, 15.0]
SQUARE_MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
SQUARE_MASK[5:15, 10:20] = 1
PICTURES = ("a.png", "b.png", "c.png", "d.png")
SPLITS = ("train", "train", "val", "val")


def coco(segmentation: Any = None) -> dict[str, Any]:
    """Four pictures, of which the first three show a square; the second class comes first by its id."""
    return {
        "images": [
            {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for number, name in enumerate(PICTURES)
        ],
        "categories": [{"id": 7, "name": "plate"}, {"id": 3, "name": "washer"}],
        "annotations": [
            {
                "id": number,
                "image_id": number,
                "category_id": 7,
                "bbox": [10, 5, 10, 10],
                "segmentation": segmentation or [SQUARE],
                "iscrowd": 0,
            }
            for number in range(3)
        ],
    }


def dataset_json() -> dict[str, Any]:
    annotation = {"label": "plate", "bbox": [10, 5, 10, 10], "segmentation": [SQUARE]}
    return {
        "classes": ["washer", "plate"],
        "images": [
            {"file": name, "split": [split], "annotations": [] if name == "d.png" else [annotation]}
            for name, split in zip(PICTURES, SPLITS, strict=True)
        ],
    }


def write(directory: Path, files: dict[str, Any]) -> Path:
    """Files of text, or of JSON."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return directory


def draw(directory: Path, *names: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(path)
    return directory


def pictures(directory: Path) -> Path:
    """All pictures, below images/."""
    return draw(directory, *(f"images/{name}" for name in PICTURES))


def load(
    directory: Path,
    form: str,
    task: str = "object-detection",
    *,
    image_size: int = WIDTH,
    **data: Any,
) -> DetectedImages:
    config = configs.parse(
        {
            "task": task,
            "data": {"format": form, "path": str(directory), "imageSize": image_size} | SHARES | data,
        }
    )
    scratch = directory / "scratch"
    scratch.mkdir()
    return prepare(config, scratch, threads=2)


def one_file(directory: Path, content: dict[str, Any]) -> Path:
    return write(pictures(directory), {"annotations.json": content})


def two_files(directory: Path, pattern: str, folder: str) -> Path:
    """A COCO file for each split."""
    for split, numbers in (("train", (0, 1)), ("val", (2, 3))):
        content = coco()
        content["images"] = [image for image in content["images"] if image["id"] in numbers]
        content["annotations"] = [mark for mark in content["annotations"] if mark["image_id"] in numbers]
        write(directory, {pattern.format(split=split): content})
        draw(directory, *(f"{folder.format(split=split)}/{PICTURES[number]}" for number in numbers))
    return directory


def yolo(directory: Path, images_in: str, labels_in: str, names: dict[str, Any], line: str) -> Path:
    for name, split in zip(PICTURES, SPLITS, strict=True):
        draw(directory, f"{images_in.format(split=split)}/{name}")
        if name != "d.png":
            write(directory, {f"{labels_in.format(split=split)}/{Path(name).stem}.txt": line})
    return write(directory, names)


BOX_LINE = "1 0.375 0.5 0.25 0.5\n"
POLYGON_LINE = "1 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n"
YAML = {
    "data.yaml": "names: [washer, plate]\nnc: 2\ntrain: ../images/train\nval: images/val\ntest: no/test\n"
}
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


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = coco()
    change(content)
    return content


def first(**fields: Any) -> dict[str, Any]:
    return changed(lambda content: content["annotations"][0].update(fields))


def of_image(**fields: Any) -> dict[str, Any]:
    return changed(lambda content: content["images"][1].update(fields))


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
    (first(category_id=9), r"annotations\[0\] of annotations.json has the unknown category_id 9"),
    (first(image_id=9), r"annotations\[0\] .* has the unknown image_id 9"),
    (first(id=1), r"annotations\[1\] .* has the id 1 of another annotation"),
    (first(bbox=[10, 5, 10]), "has a bbox of 3 numbers"),
    (first(bbox=[10, 5, 0, 10]), "is 0 wide and 10 high"),
    (first(bbox=[10, 5, 10, -1]), "is 10 wide and -1 high"),
    (first(bbox=[10, 5, float("nan"), 10]), r"annotations\[0\].bbox\[2\] .* is nan: Input should be a"),
    (first(bbox=[10, 5, 33, 10]), "reaches from 10, 5, 43, 15 in a picture of 40 x 20"),
    (first(bbox=[400, 5, 10, 10]), "reaches from 400, 5, 410, 15"),
    (first(segmentation=[]), r"annotations\[0\] .* has no segmentation"),
    (first(segmentation=[[1, 2, 3, 4]]), "has a polygon of 4 numbers"),
    (first(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "has a polygon of 7 numbers"),
    (first(segmentation=[[1, 2, 3, 4, 5000, 6]]), "reaches from 1, 2, 5000, 6"),
    (first(segmentation={"size": [9, 9], "counts": "abc"}), r"has an RLE of size \[9, 9\]"),
    (first(segmentation={"size": [HEIGHT, WIDTH], "counts": "z" * 100}), "has a damaged RLE"),
    (first(segmentation={"size": [HEIGHT, WIDTH], "counts": [5, 5]}), "has an RLE of 10 pixels"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG_COCO, ids=[said for _, said in WRONG_COCO])
def test_wrong_coco_is_named(tmp_path: Path, content: dict[str, Any] | str, said: str) -> None:
    directory = one_file(tmp_path, coco())
    write(directory, {"annotations.json": content})
    with pytest.raises(BadData, match=said) as error:
        load(directory, "coco", "instance-segmentation")
    assert error.value.advice


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
        load(yolo(tmp_path, "images/{split}", "labels/{split}", YAML, line), "yolo")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data.yaml": "names: ["}, "data.yaml cannot be read as YAML"),
        ({"data.yaml": "3"}, "data.yaml holds no fields"),
        ({"data.yaml": "names: {1: a}"}, "names of data.yaml have the keys 1"),
        ({"data.yaml": "names: [a, a]"}, "no list of different names"),
        ({"data.yaml": "names: [a, b]\nnc: 3"}, "nc: 3 and has 2 names"),
        ({"data.yaml": "names: [a, b]\ntrain: no/where"}, "names 'no/where' for train, which is not there"),
        ({"data.yaml": "names: [a, b]\ntrain: /images"}, "names '/images', which is outside"),
        ({}, "there is neither data.yaml with names nor classes.txt"),
        (YAML | {"labels/val/x.txt": BOX_LINE}, "labels/val/x.txt has no image"),
        (YAML | {"labels/val/c.txt": ""}, "no image of the val split has an object"),
    ],
)
def test_wrong_files_of_yolo_are_named(tmp_path: Path, files: dict[str, Any], said: str) -> None:
    directory = yolo(tmp_path, "images/{split}", "labels/{split}", {}, BOX_LINE)
    with pytest.raises(BadData, match=said):
        load(write(directory, files), "yolo")


def test_boxes_alone_are_no_instance_segmentation(tmp_path: Path) -> None:
    directory = yolo(tmp_path, "images/{split}", "labels/{split}", YAML, BOX_LINE)
    with pytest.raises(BadData, match=r"line 1 of labels/train/a.txt has a box where a polygon is needed"):
        load(directory, "yolo", "instance-segmentation")


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


@pytest.mark.parametrize("form", ["coco", "dataset-json"])
def test_suffixes_may_differ(tmp_path: Path, form: str) -> None:
    directory = one_file(tmp_path, coco()) if form == "coco" else pictures(tmp_path)
    write(directory, {"dataset.json": dataset_json()} if form != "coco" else {})
    (directory / "images" / "a.png").rename(directory / "images" / "a.PNG")
    assert load(directory, form).paths[0].name == "a.PNG"


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
    data = load(one_file(tmp_path, first(bbox=[-1.0, 5, 42.5, 10])), "coco")
    assert data.target(0)["boxes"].tolist() == [[0, 5, WIDTH, 15]]


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


def test_an_encoded_mask_is_what_was_drawn() -> None:
    mask = (np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.5).astype(np.uint8)
    encoded = rle.encode(np.asfortranarray(mask))
    counts = encode(encoded, (WIDTH, HEIGHT), (WIDTH, HEIGHT))
    assert np.array_equal(decode(counts, (WIDTH, HEIGHT)), mask)


def test_clipping_says_what_is_wrong() -> None:
    assert clip((-0.01, 0.2, 0.5, 1.04), (1, 1)) == (0, 0.2, 0.5, 1)
    with pytest.raises(ValueError, match="no box of finite numbers"):
        clip((0, 0, float("inf"), 1), (1, 1))

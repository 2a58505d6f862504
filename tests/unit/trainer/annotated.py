"""Four pictures with squares in each format of annotated data, for the tests of its readers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainingrun_trainer import config as configs
from trainingrun_trainer.data.detection import prepare
from trainingrun_trainer.data.detection_batches import DetectedImages

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


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = coco()
    change(content)
    return content


def of_annotation(**fields: Any) -> dict[str, Any]:
    return changed(lambda content: content["annotations"][0].update(fields))


def of_image(**fields: Any) -> dict[str, Any]:
    return changed(lambda content: content["images"][1].update(fields))


BOX_LINE = "1 0.375 0.5 0.25 0.5\n"
POLYGON_LINE = "1 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n"
YAML = {
    "data.yaml": "names: [washer, plate]\nnc: 2\ntrain: ../images/train\nval: images/val\ntest: no/test\n"
}

"""A small data set in each form that `kubectl trainingrun init` knows, as people have them on disk."""

import json
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from trainingrun_trainer import samples
from trainingrun_trainer.samples.parts import write_parts

COUNT = 10
WIDTH, HEIGHT = 40, 24
SIDE = 16
POLYGON = [10.0, 5.0, 20.0, 5.0, 20.0, 15.0, 10.0, 15.0]


def picture(path: Path, number: int, *, grey: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (HEIGHT, WIDTH) if grey else (HEIGHT, WIDTH, 3)
    Image.fromarray(np.full(shape, 10 + 20 * number, np.uint8)).save(path)


def mask(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[2:10, number : number + 8] = 1
    Image.fromarray(labels).save(path)


def volume(path: Path, number: int, *, labels: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = np.zeros((SIDE, SIDE, SIDE), np.uint8)
    content[2:9, 2:9, 2 + number % 4 : 9] = 1
    np.save(path, content if labels else (content * 100).astype(np.int16))


def split(number: int) -> str:
    return "train" if number < 6 else "val"


def xray_zip(directory: Path) -> Path:
    samples.write_zip(islice(samples.xray(), 40), directory / "chest.zip")
    return directory / "chest.zip"


def parts_zip(directory: Path) -> Path:
    write_parts(directory / "parts.zip", 12)
    return directory / "parts.zip"


def sample_zip(name: str) -> Callable[[Path], Path]:
    def write(directory: Path) -> Path:
        samples.SAMPLES[name](directory / f"{name}.zip")
        return directory / f"{name}.zip"

    return write


def excel_table(directory: Path) -> Path:
    data = directory / "Knee X-rays"
    rows = ["image;diagnosis;split"]
    for number in range(COUNT):
        picture(data / "pictures" / f"{number}.png", number, grey=True)
        rows.append(f"{number}.png;{'ill' if number % 2 else 'well'};{split(number)}")
    (data / "metadata.csv").write_text("\n".join(rows), encoding="utf-16")
    return data


def masks_in_table(directory: Path) -> Path:
    data = directory / "cracks"
    rows = ["filename"]
    for number in range(COUNT):
        picture(data / "images" / f"{number}.jpg", number)
        mask(data / "masks" / f"{number}.png", number)
        rows.append(f"{number}.jpg")
    (data / "metadata.csv").write_text("\n".join(rows))
    return data


def class_folders(directory: Path) -> Path:
    data = directory / "animals"
    for number in range(COUNT):
        picture(data / ("cat", "dog")[number % 2] / f"{number}.png", number)
    return data


def class_folders_below(directory: Path) -> Path:
    data = directory / "animals"
    for number in range(COUNT):
        picture(data / "photos" / ("cat", "dog")[number % 2] / f"{number}.png", number)
    return data


def class_folders_by_split(directory: Path) -> Path:
    data = directory / "animals"
    for number in range(COUNT):
        folder = "training" if number < 6 else "valid"
        picture(data / folder / ("cat", "dog")[number % 2] / f"{number}.png", number)
    return data


def pairs(directory: Path) -> Path:
    data = directory / "surfaces"
    for number in range(COUNT):
        picture(data / "imgs" / f"{number}.jpg", number)
        mask(data / "masks" / f"{number}.png", number)
    return data


def pairs_by_split(directory: Path) -> Path:
    data = directory / "surfaces"
    for number in range(COUNT):
        picture(data / split(number) / "images" / f"{number}.png", number)
        mask(data / split(number) / "masks" / f"{number}.png", number)
    return data


def split_files(directory: Path) -> Path:
    data = directory / "surfaces"
    for number in range(COUNT):
        picture(data / "processed" / "images" / f"{number}.png", number)
        mask(data / "processed" / "masks" / f"{number}.png", number)
    (data / "splits").mkdir()
    for name in ("train", "val"):
        listed = "\n".join(f"{number}.png" for number in range(COUNT) if split(number) == name)
        (data / "splits" / f"{name}.txt").write_text(listed)
    return data


def decathlon(directory: Path) -> Path:
    data = directory / "Task03_Liver"
    for number in range(COUNT):
        volume(data / "imagesTr" / f"liver_{number}.npy", number, labels=False)
        volume(data / "labelsTr" / f"liver_{number}.npy", number, labels=True)
    content = {"labels": {"0": "background", "1": "liver"}, "training": []}
    (data / "dataset.json").write_text(json.dumps(content))
    return data


def coco_by_split(directory: Path) -> Path:
    data = directory / "bolts"
    for name in ("train", "val"):
        numbers = [number for number in range(COUNT) if split(number) == name]
        for number in numbers:
            picture(data / f"{name}2017" / f"{number}.png", number)
        content = {
            "images": [
                {"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
                for number in numbers
            ],
            "categories": [{"id": 3, "name": "bolt"}],
            "annotations": [
                {"id": number, "image_id": number, "category_id": 3, "bbox": [10, 5, 10, 10]}
                for number in numbers
            ],
        }
        path = data / "annotations" / f"instances_{name}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return data


def yolo(directory: Path) -> Path:
    return _yolo(directory, "1 0.375 0.5 0.25 0.5\n")


def yolo_outlines(directory: Path) -> Path:
    return _yolo(directory, "1 0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75\n")


def _yolo(directory: Path, line: str) -> Path:
    data = directory / "parts"
    for number in range(COUNT):
        picture(data / "images" / split(number) / f"{number}.png", number)
        label = data / "labels" / split(number) / f"{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(line)
    description = {"names": ["washer", "plate"], "train": "images/train", "val": "images/val"}
    (data / "data.yaml").write_text(yaml.safe_dump(description))
    return data


def dataset_of_labels(directory: Path) -> Path:
    return _dataset(directory, lambda number: {"label": "ab"[number % 2]})


def dataset_of_outlines(directory: Path) -> Path:
    annotation = {"label": "bolt", "bbox": [10, 5, 10, 10], "segmentation": [POLYGON]}
    return _dataset(directory, lambda number: {"annotations": [annotation]})


def _dataset(directory: Path, told: Callable[[int], Mapping[str, Any]]) -> Path:
    data = directory / "studio"
    entries = []
    for number in range(COUNT):
        picture(data / "images" / f"{number}.png", number)
        entries.append({"file": f"{number}.png", "split": [split(number)], **told(number)})
    (data / "dataset.json").write_text(json.dumps({"images": entries}))
    return data


FORMS: Mapping[str, Callable[[Path], Path]] = {
    "xray.zip": xray_zip,
    "parts.zip": parts_zip,
    "defects.zip": sample_zip("defects"),
    "liver.zip": sample_zip("liver"),
    **{
        write.__name__: write
        for write in (
            excel_table,
            masks_in_table,
            class_folders,
            class_folders_below,
            class_folders_by_split,
            pairs,
            pairs_by_split,
            split_files,
            decathlon,
            coco_by_split,
            yolo,
            yolo_outlines,
            dataset_of_labels,
            dataset_of_outlines,
        )
    },
}
"""By name, what writes the data below a directory and says where they are."""

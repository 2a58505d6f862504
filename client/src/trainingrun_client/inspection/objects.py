"""Pictures with objects in them: COCO and YOLO."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import yaml

from trainingrun_api.training import TaskName
from trainingrun_client.errors import InputError
from trainingrun_client.inspection.found import WORDS, Found
from trainingrun_client.inspection.tree import Tree, is_picture, stem

SPLIT = re.compile(rf"(?:^|[^a-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![a-z])")
"""A split in the name of a file, such as instances_train2017."""
ROBOFLOW = "_annotations.coco.json"
DESCRIPTIONS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
CLASS_FILES = ("classes.txt", "obj.names")
BOX_FIELDS = 5
LOOKED_AT = 200
"""Text files of YOLO that are read."""
BOXES: tuple[TaskName, ...] = ("object-detection",)
OUTLINES: tuple[TaskName, ...] = ("instance-segmentation", "object-detection")


def coco(tree: Tree) -> Found | None:
    """JSON of images, categories and annotations, for all or for each split."""
    files = {name: content for name in _candidates(tree) if (content := _content(tree, name))}
    chosen = {name: content for name, content in files.items() if "instances" in name} or files
    if not chosen:
        return None
    categories = {
        each["id"]: str(each["name"]) for content in chosen.values() for each in content["categories"]
    }
    annotations = [each for content in chosen.values() for each in content["annotations"]]
    counts = Counter(categories.get(each.get("category_id")) for each in annotations)
    outlined = bool(annotations) and all(each.get("segmentation") for each in annotations)
    splits: dict[str, int] = {}
    for name, content in chosen.items():
        if split := _split(name):
            splits[split] = splits.get(split, 0) + len(content["images"])
    tasks = (*OUTLINES, "semantic-segmentation") if outlined else BOXES
    samples = sum(len(content["images"]) for content in chosen.values())
    classes = {name: counts[name] for _, name in sorted(categories.items(), key=lambda item: str(item[0]))}
    return Found("COCO", tasks, {"format": "coco"}, samples, classes, splits)


def yolo(tree: Tree) -> Found | None:
    """data.yaml or classes.txt, and a text file for each picture."""
    labels = [name for name in tree.names if name.endswith(".txt") and "labels/" in f"/{name}"]
    description = next((name for name in DESCRIPTIONS if name in tree.all_names), None)
    listed = next((name for name in tree.names if name.rpartition("/")[2] in CLASS_FILES), None)
    if not labels or (description is None and listed is None):
        return None
    names = _names(tree, description, listed)
    labels = [name for name in labels if name.rpartition("/")[2] not in CLASS_FILES]
    lines = [
        line.split() for name in labels[:LOOKED_AT] for line in tree.text(name).splitlines() if line.strip()
    ]
    counts = Counter(line[0] for line in lines)
    pictures = [name for name in tree.samples if is_picture(name)]
    splits = Counter(split for name in pictures if (split := _split(name.rpartition("/")[0])))
    outlined = bool(lines) and all(len(line) > BOX_FIELDS for line in lines)
    counted = len(labels) <= LOOKED_AT
    return Found(
        "YOLO",
        OUTLINES if outlined else BOXES,
        {"format": "yolo"},
        len(pictures),
        {name: counts[str(number)] if counted else 0 for number, name in enumerate(names)},
        {split: splits[split] for split in ("train", "val", "test") if splits[split]},
    )


def _candidates(tree: Tree) -> list[str]:
    found = [
        name
        for name in tree.names
        if name.lower().endswith(".json") and name.rpartition("/")[0] in ("", "annotations")
    ]
    return found or [name for name in tree.names if name.rpartition("/")[2] == ROBOFLOW]


def _content(tree: Tree, name: str) -> Mapping[str, Any] | None:
    try:
        content = json.loads(tree.read(name))
    except ValueError as error:
        raise InputError(f"{name} in {tree.path} is no JSON: {error}") from error
    parts = ("images", "annotations", "categories")
    known = isinstance(content, dict) and all(isinstance(content.get(part), list) for part in parts)
    return content if known else None


def _split(name: str) -> str | None:
    found = SPLIT.search(stem(name).lower())
    return WORDS[found[1]] if found else None


def _names(tree: Tree, description: str | None, listed: str | None) -> list[str]:
    if description is not None:
        try:
            content = yaml.safe_load(tree.text(description))
        except yaml.YAMLError as error:
            raise InputError(f"{description} in {tree.path} is no YAML: {error}") from error
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict):
            return [str(names[key]) for key in sorted(names)]
        if isinstance(names, list):
            return list(map(str, names))
    return [line.strip() for line in tree.text(listed).splitlines() if line.strip()] if listed else []

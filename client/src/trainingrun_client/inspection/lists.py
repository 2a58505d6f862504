"""Data that a list describes: metadata.csv, dataset.json, train.txt."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from trainingrun_api.training import TaskName
from trainingrun_client.errors import InputError
from trainingrun_client.inspection.found import Found, classes_of, splits_of
from trainingrun_client.inspection.remarks import of_rows
from trainingrun_client.inspection.tree import Tree, is_volume

TABLE, DATASET, TRAIN = "metadata.csv", "dataset.json", "train.txt"
SEPARATORS = (",", ";", "\t")
FILE_COLUMNS = ("filename", "file", "image", "file_name", "image_name", "path", "image_path")
LABEL_COLUMNS = ("label", "class", "target", "diagnosis", "category")
IMAGE_FOLDERS, MASK_FOLDERS = ("images", "image", "imgs", "img"), ("masks", "mask", "labels")


def table(tree: Tree) -> Found | None:
    """metadata.csv with images/, and masks/ or a column of classes."""
    if TABLE not in tree.all_names:
        return None
    rows = _rows(tree.text(TABLE))
    header = list(rows[0]) if rows else []
    file_column = next((name for name in FILE_COLUMNS if name in header), None)
    if file_column is None:
        raise InputError(
            f"{TABLE} in {tree.path} has the columns {', '.join(header) or 'none'}; one must name the files, "
            "such as filename"
        )
    images, masks = folders(tree)
    images = images or _folder_of_all(tree)
    data: dict[str, Any] = {
        "format": "zip" if tree.archive else "directory",
        **_unless("imageColumn", file_column, "filename"),
        **_unless("imagesDirectory", images, "images"),
    }
    splits = splits_of([row.get("split") for row in rows])
    label_column = next((name for name in LABEL_COLUMNS if name in header), None)
    if masks is None and label_column is None:
        raise InputError(
            f"{TABLE} in {tree.path} has the columns {', '.join(header)}, and there is no masks/: a column "
            "label makes classification of it, a folder masks/ segmentation"
        )
    files = [(row[file_column] or "").strip() for row in rows]
    known = [name.removeprefix(f"{images}/") for name in tree.below(images)]
    if masks is None and label_column is not None:
        labels = [(row[label_column] or "").strip() for row in rows]
        data |= _unless("labelColumn", label_column, "label")
        classes, remarks = classes_of(list(filter(None, labels))), tuple(of_rows(TABLE, files, known, labels))
        form = "metadata.csv with images"
        return Found(form, ("classification",), data, len(rows), classes, splits, remarks=remarks)
    data |= _unless("masksDirectory", masks, "masks") | dimensions(tree, images)
    form, remarks = "metadata.csv with images and masks", tuple(of_rows(TABLE, files, known))
    return Found(form, SEGMENTATION, data, len(rows), splits=splits, remarks=remarks)


SEGMENTATION: tuple[TaskName, ...] = ("semantic-segmentation",)


def dataset(tree: Tree) -> Found | None:
    """dataset.json that lists images; that of the Medical Segmentation Decathlon is another one."""
    content = _json(tree, DATASET)
    images = content.get("images") if content else None
    if content is None or not isinstance(images, list) or not images:
        return None
    entries = [each for each in images if isinstance(each, dict)]
    objects = [each for entry in entries for each in entry.get("annotations") or () if isinstance(each, dict)]
    tasks: list[TaskName] = []
    if objects and all(each.get("segmentation") for each in objects):
        tasks.append("instance-segmentation")
    if objects:
        tasks.append("object-detection")
    _, masks = folders(tree)
    if masks or any(entry.get("mask") for entry in entries):
        tasks.append("semantic-segmentation")
    if not objects and any(entry.get("label") is not None for entry in entries):
        tasks.append("classification")
    if not tasks:
        raise InputError(
            f"{DATASET} in {tree.path} lists images with neither label, mask nor annotations: nothing can be "
            "learned of them"
        )
    kinds = [str(each.get("label")) for each in (objects or entries) if each.get("label") is not None]
    first = [_first(entry.get("split")) for entry in entries]
    used = [split for split in first if split is not None]
    files = [str(entry.get("file") or "") for entry in entries]
    labels = ["" if (label := entry.get("label")) is None else str(label) for entry in entries]
    known = [name.removeprefix("images/") for name in tree.below("images")]
    given = dict.fromkeys(map(str, content.get("classes") or ()), 0)
    return Found(
        "dataset.json with images",
        tuple(tasks),
        {"format": "dataset-json"},
        len(used),
        {**given, **classes_of(kinds)},
        splits_of(used),
        remarks=tuple(of_rows(DATASET, files, known, labels if tasks == ["classification"] else ())),
    )


def split_files(tree: Tree) -> Found | None:
    """train.txt and others, with folders of images and masks anywhere."""
    places = [name for name in tree.names if name.rpartition("/")[2] == TRAIN]
    images, masks = folders(tree)
    if not places or images is None or masks is None:
        return None
    directory = min(places, key=len).rpartition("/")[0]
    prefix = f"{directory}/" if directory else ""
    lines = {
        split: len(tree.text(f"{prefix}{split}.txt").split())
        for split in ("train", "val", "test")
        if f"{prefix}{split}.txt" in tree.all_names
    }
    data = {
        "format": "split-files",
        **({"splitsDirectory": directory} if directory else {}),
        **_unless("imagesDirectory", images, "images"),
        **_unless("masksDirectory", masks, "masks"),
        **dimensions(tree, images),
    }
    splits = lines if "val" in lines else {}
    return Found(
        "lists of files with images and masks", SEGMENTATION, data, sum(lines.values()), splits=splits
    )


def folders(tree: Tree) -> tuple[str | None, str | None]:
    """The folders of images and of masks, by their usual names; the shortest path of each."""
    known = sorted({name.rpartition("/")[0] for name in tree.samples}, key=lambda each: (len(each), each))
    parents = {each: each for folder in known for each in _ancestors(folder)}
    places = sorted(parents, key=lambda each: (each.count("/"), each))

    def named(words: tuple[str, ...]) -> str | None:
        return next((each for each in places if each.rpartition("/")[2].lower() in words), None)

    return named(IMAGE_FOLDERS), named(MASK_FOLDERS)


def _folder_of_all(tree: Tree) -> str:
    """The folder of all samples, where it has no usual name. Raises InputError where they have none."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in tree.samples}
    if len(tops) != 1 or "" in tops:
        raise InputError(
            f"the images of {TABLE} in {tree.path} must lie in a folder beside it, such as images/"
        )
    return tops.pop()


def dimensions(tree: Tree, folder: str | None) -> dict[str, int]:
    """data.dimensions of the samples in a folder."""
    names = tree.below(folder or "")
    return {"dimensions": 3} if names and all(map(is_volume, names)) else {}


def _ancestors(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _json(tree: Tree, name: str) -> Mapping[str, Any] | None:
    if name not in tree.all_names:
        return None
    try:
        content = json.loads(tree.text(name))
    except ValueError as error:
        raise InputError(f"{name} in {tree.path} is no JSON: {error}") from error
    return content if isinstance(content, dict) else None


def _rows(text: str) -> list[dict[str, str | None]]:
    """By the separator that makes the most columns; without rows of blanks, which the trainer skips."""
    head = text.partition("\n")[0]
    separator = max(SEPARATORS, key=head.count)
    try:
        rows = csv.DictReader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
        return [
            row for row in rows if any(isinstance(value, str) and value.strip() for value in row.values())
        ]
    except csv.Error as error:
        raise InputError(f"{TABLE} cannot be read: {error}") from error


def _unless(field: str, value: str | None, default: str) -> dict[str, str]:
    return {} if value in (None, default) else {field: str(value)}


def _first(split: object) -> str | None:
    first = split[0] if isinstance(split, list) and split else split
    return first if isinstance(first, str) else None

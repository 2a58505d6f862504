"""Data that only their folders describe. The trainer reads most of them by a list, which is made here."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from itertools import groupby

from trainingrun_client.errors import InputError
from trainingrun_client.inspection.found import WORDS, Found, List, classes_of, splits_of
from trainingrun_client.inspection.lists import DATASET, SEGMENTATION, TABLE, dimensions, folders
from trainingrun_client.inspection.tree import Tree, is_picture, stem

DECATHLON = ("imagesTr", "labelsTr")


def decathlon(tree: Tree) -> Found | None:
    """A task of the Medical Segmentation Decathlon: imagesTr/, labelsTr/ and a dataset.json of its own."""
    images, masks = DECATHLON
    pairs = _pairs(tree, images, masks)
    if not pairs:
        return None
    names = _decathlon_labels(tree)
    data = {
        "format": "directory",
        "imagesDirectory": images,
        "masksDirectory": masks,
        **dimensions(tree, images),
        **({"classNames": names} if names else {}),
    }
    missing = List(_table(("filename",), ((name,) for name in pairs)))
    classes = dict.fromkeys(names, 0)
    return Found("Medical Segmentation Decathlon", SEGMENTATION, data, len(pairs), classes, missing=missing)


def masks_by_split(tree: Tree) -> Found | None:
    """train/, val/ and perhaps test/, each with images/ and masks/."""
    listed = TABLE in tree.all_names
    if listed or not tree.below("train/images") or not tree.below("train/masks"):
        return None
    counts = {split: len(tree.below(f"{split}/images")) for split in ("train", "val", "test")}
    splits = {split: count for split, count in counts.items() if count}
    data = {"format": "zip" if tree.archive else "directory", **dimensions(tree, "train/images")}
    form = "images and masks by split"
    return Found(form, SEGMENTATION, data, sum(splits.values()), splits=splits if "val" in splits else {})


def pairs(tree: Tree) -> Found | None:
    """A folder of images and one of masks of the same names."""
    images, masks = folders(tree)
    if images is None or masks is None or images.rpartition("/")[0] != masks.rpartition("/")[0]:
        return None
    names = _pairs(tree, images, masks)
    if not names:
        return None
    data = {
        "format": "directory",
        **({"imagesDirectory": images} if images != "images" else {}),
        **({"masksDirectory": masks} if masks != "masks" else {}),
        **dimensions(tree, images),
    }
    missing = List(_table(("filename",), ((name,) for name in names)))
    return Found("images with masks of the same names", SEGMENTATION, data, len(names), missing=missing)


def classes(tree: Tree) -> Found | None:
    """A folder of pictures for each class, or for each split and class."""
    pictures = [name for name in tree.samples if is_picture(name)]
    base = _common([name.split("/")[:-1] for name in pictures])
    below = [name.removeprefix(f"{base}/" if base else "").split("/") for name in pictures]
    split_first = bool(below) and all(len(parts) >= 3 and parts[0].lower() in WORDS for parts in below)
    depth = 1 if split_first else 0
    if not below or any(len(parts) != depth + 2 for parts in below):
        return None
    labels = [parts[depth] for parts in below]
    if len(set(labels)) < 2:
        return None
    rows = [
        ("/".join(parts), label, *((WORDS[parts[0].lower()],) if split_first else ()))
        for parts, label in zip(below, labels, strict=True)
    ]
    header = ("filename", "label", *(("split",) if split_first else ()))
    splits = splits_of([parts[0] for parts in below]) if split_first else {}
    return Found(
        "a folder of images for each class",
        ("classification",),
        {"format": "directory", "imagesDirectory": base or tree.path.resolve().name},
        len(pictures),
        classes_of(labels),
        splits,
        List(_table(header, rows), lifted=not base),
    )


def _pairs(tree: Tree, images: str, masks: str) -> list[str]:
    """Names below the images' folder that have a mask. Raises InputError where only some have."""
    names = [name.removeprefix(f"{images}/") for name in tree.below(images)]
    known = {stem(name.removeprefix(f"{masks}/")) for name in tree.below(masks)}
    paired = [name for name in names if stem(name) in known]
    if paired and len(paired) < len(names):
        missing = next(name for name in names if stem(name) not in known)
        raise InputError(
            f"{len(names) - len(paired)} of {len(names)} images in {tree.path}/{images} have no mask in "
            f"{masks}/, such as {missing}: add them or move the images away"
        )
    return paired


def _decathlon_labels(tree: Tree) -> list[str]:
    """Names of the labels 0, 1, 2, ...; none where dataset.json does not say."""
    if DATASET not in tree.all_names:
        return []
    try:
        labels = json.loads(tree.text(DATASET)).get("labels")
    except (ValueError, AttributeError):
        return []
    numbers = sorted((key for key in labels or () if key.isdecimal()), key=int)
    whole = [int(key) for key in numbers] == list(range(len(numbers)))
    return [str(labels[key]) for key in numbers] if whole else []


def _common(paths: Sequence[Sequence[str]]) -> str:
    """The folders that all paths begin with, but for the last that tells them apart."""
    common = []
    for parts in zip(*paths, strict=False):
        if len([*groupby(sorted(parts))]) > 1:
            break
        common.append(parts[0])
    return "/".join(common)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()

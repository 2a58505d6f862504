"""Which of the known forms data have."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from trainingrun_client.errors import InputError
from trainingrun_client.inspection import folders, lists, objects
from trainingrun_client.inspection.found import Found
from trainingrun_client.inspection.pictures import HEAD, picture
from trainingrun_client.inspection.remarks import of_members
from trainingrun_client.inspection.tree import Tree, is_picture, opened

RECOGNISERS: Sequence[Callable[[Tree], Found | None]] = (
    lists.dataset,
    folders.decathlon,
    objects.coco,
    objects.yolo,
    folders.masks_by_split,
    lists.split_files,
    lists.table,
    folders.pairs,
    folders.classes,
)
"""The more particular ones first."""
FORMS = """Known forms (docs/data.md):
  metadata.csv with images/, and a column label or masks/        classification, segmentation
  a folder of images for each class, or for each split and class classification
  images/ with masks/, by lists, by split or by name             segmentation of images and volumes
  imagesTr/ with labelsTr/ (Medical Segmentation Decathlon)      segmentation of volumes
  dataset.json with images/                                      all tasks
  COCO: images, categories, annotations in JSON                  detection, instances, segmentation
  YOLO: data.yaml or classes.txt, images/, labels/               detection, instances"""
LOOKED_AT = 16
"""Pictures whose sizes are read."""
SHOWN = 8


def inspect(path: Path) -> Found:
    """What the data of a folder or a ZIP are.

    Raises InputError, which lists what was seen and what is known, where they have no known form.
    """
    with opened(path) as tree:
        found = next((found for recognise in RECOGNISERS if (found := recognise(tree))), None)
        if found is None:
            raise InputError(f"{path} has no form that the trainer reads. {_seen(tree)}\n{FORMS}")
        if found.missing and tree.archive:
            raise InputError(
                f"{path} holds {found.form}, which the trainer reads by a metadata.csv that is not in it: "
                "unpack it, and run this again on the folder"
            )
        if tree.archive:
            found = replace(found, remarks=(*found.remarks, *of_members(tree.archive.namelist())))
        return _measured(tree, found)


def _measured(tree: Tree, found: Found) -> Found:
    """With the sizes of some pictures, evenly taken from all."""
    names = [name for name in tree.samples if is_picture(name) and "mask" not in name.lower()]
    step = max(1, len(names) // LOOKED_AT)
    looks = [look for name in names[::step][:LOOKED_AT] if (look := picture(tree.read(name, HEAD)))]
    if not looks:
        return found
    side = max(max(look.width, look.height) for look in looks)
    return replace(found, side=side, grey=all(look.grey for look in looks))


def _seen(tree: Tree) -> str:
    """Names and kinds of files."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in tree.names)
    tops = sorted(
        {f"{first}/" if rest else first for first, _, rest in (name.partition("/") for name in tree.names)}
    )
    if not tops:
        return "It holds no files."
    shown = ", ".join(tops[:SHOWN]) + (f" and {len(tops) - SHOWN} more" if len(tops) > SHOWN else "")
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(SHOWN))
    return f"Seen at its top: {shown}; files: {counts}."

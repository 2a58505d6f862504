"""COCO: annotations of boxes, polygons and run-length encodings in JSON.

One file for each split (instances_train2017.json, annotations/val.json, train/_annotations.coco.json), or one
for all pictures (annotations.json), which the seed then splits. Format: https://cocodataset.org/#format-data
"""

import codecs
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import (
    Discriminator,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypedDict

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import splits
from trainingrun_trainer.data.folder import Folder, is_inside
from trainingrun_trainer.data.images import Unreadable
from trainingrun_trainer.data.instances import AnnotatedImage, Annotations, Box, Instance, bounds
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.errors import BadData

ADVICE = "Correct the annotations, or export them again as COCO."
LAYOUT = (
    "Put annotations.json, or instances_train.json and instances_val.json, at the top or in annotations/."
)
FOLDERS = (".", "annotations")
SPLIT = re.compile(rf"(?:^|[^a-z])({'|'.join(sorted(splits.WORDS, key=len, reverse=True))})(?![a-z])")
"""A split in the name of a file, such as instances_train2017."""

Id = int | str


class _Image(TypedDict):
    id: Id
    file_name: str
    width: PositiveInt
    height: PositiveInt


class _Category(TypedDict):
    id: Id
    name: Annotated[str, Field(min_length=1)]


class _Encoding(TypedDict):
    size: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]
    counts: Annotated[
        Annotated[list[NonNegativeInt], Tag("numbers")] | Annotated[str, Tag("text")],
        Discriminator(lambda value: "numbers" if isinstance(value, list) else "text"),
    ]


_Segmentation = Annotated[
    Annotated[_Encoding, Tag("RLE")] | Annotated[list[list[FiniteFloat]], Tag("polygons")],
    Discriminator(lambda value: "RLE" if isinstance(value, Mapping) else "polygons"),
]


class _Annotation(TypedDict):
    image_id: Id
    category_id: Id
    id: NotRequired[Id]
    bbox: NotRequired[list[FiniteFloat] | None]
    segmentation: NotRequired[_Segmentation | None]
    iscrowd: NotRequired[bool]


class _Content(TypedDict):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


CONTENT: TypeAdapter[_Content] = TypeAdapter(_Content)
SEGMENTATION: TypeAdapter[Any] = TypeAdapter(_Segmentation | None)
"""What may describe a mask."""


@dataclass(frozen=True)
class _File:
    """One annotation file and the split that its name says, if any."""

    path: Path
    split: str | None
    content: _Content


def read(source: Path, config: DataConfig, seed: int, *, masks: bool) -> Annotations:
    """Read the COCO files of a directory.

    Args:
        source: directory of the annotations, and of the images below data.imagesDirectory.
        config: names of directories, and the shares of a split by the seed.
        seed: of that split. It also takes data.validationSplit out of train where no file is for val.
        masks: whether each object needs polygons or an encoding.

    Raises:
        BadData: the files are missing, ambiguous or damaged; names the first problems.
    """
    problems = Problems()
    digest = hashlib.sha256()
    files = []
    for path, split in _files(source):
        content = path.read_bytes()
        digest.update(hashlib.sha256(content).digest())
        if parsed := _parse(content, path.name, problems):
            files.append(_File(path, split, parsed))
    problems.check(ADVICE)
    categories = _categories(files, problems)
    labels = {key: index for index, (key, _) in enumerate(categories)}
    images: list[AnnotatedImage] = []
    for file in files:
        images += _images(file, _image_folders(file, source, config), labels, masks, problems)
    problems.check(ADVICE)
    assigned = [file.split for file in files for _ in file.content["images"]]
    return Annotations(
        tuple(name for _, name in categories),
        tuple(images),
        splits.assigned(assigned, config, seed),
        digest.digest(),
    )


def _files(source: Path) -> list[tuple[Path, str | None]]:
    """The annotation files and their splits."""
    folders = [source / folder for folder in FOLDERS]
    found = sorted(
        path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.suffix.lower() == ".json" and not path.name.startswith(".")
    )
    # beside them COCO itself has captions and key points
    found = [path for path in found if path.name.startswith("instances")] or found
    files = [(path, _split(path.stem)) for path in found]
    if not files:
        # as Roboflow exports: a folder for each split, with its images
        nested = sorted(source.glob("*/_annotations.coco.json"))
        files = [(path, _split(path.parent.name)) for path in nested]
    if not files:
        raise BadData(f"there are no COCO annotations (*.json) in {source}", LAYOUT)
    of_splits = [split for _, split in files]
    if len(files) > 1 and (None in of_splits or len(set(of_splits)) < len(files)):
        names = ", ".join(str(path.relative_to(source)) for path, _ in files)
        raise BadData(f"it is unclear which splits the COCO files {names} are for", LAYOUT)
    return files


def _split(name: str) -> str | None:
    match = SPLIT.search(name.lower())
    return splits.WORDS[match[1]] if match else None


def _parse(content: bytes, name: str, problems: Problems) -> _Content | None:
    try:
        return CONTENT.validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem["loc"])
            value = "" if problem["type"] in ("missing", "json_invalid") else f" is {problem['input']!r:.40}"
            problems.add(f"{place.removeprefix('.') or 'the text'} of {name}{value}: {problem['msg']}")
        return None


def _categories(files: Sequence[_File], problems: Problems) -> list[tuple[Id, str]]:
    """Ids and names of all classes, by id."""
    found: dict[Id, str] = {}
    for file in files:
        own = {category["id"]: category["name"] for category in file.content["categories"]}
        if len(own) < len(file.content["categories"]):
            problems.add(f"categories of {file.path.name} have an id twice")
        if found and own != found:
            problems.add(f"categories of {file.path.name} differ from those of {files[0].path.name}")
        found = found or own
    for name in {name for name in found.values() if list(found.values()).count(name) > 1}:
        problems.add(f"two categories have the name {name!r}")
    if not found:
        problems.add(f"categories of {files[0].path.name} are empty")
    numeric = all(isinstance(key, int) for key in found)
    return sorted(found.items(), key=lambda item: item[0] if numeric else str(item[0]))


def _images(
    file: _File,
    folders: Sequence[Path],
    labels: Mapping[Id, int],
    masks: bool,
    problems: Problems,
) -> Iterator[AnnotatedImage]:
    """The images of one file with their objects."""
    name = file.path.name
    objects: dict[Id, list[Instance]] = {}
    for index, image in enumerate(file.content["images"]):
        if image["id"] in objects:
            problems.add(f"images[{index}] of {name} has the id {image['id']!r} of another image")
        objects[image["id"]] = []
    seen: set[Id] = set()
    for index, annotation in enumerate(file.content["annotations"]):
        where = f"annotations[{index}] of {name}"
        key = annotation.get("id", f"number {index}")
        if key in seen:
            problems.add(f"{where} has the id {key!r} of another annotation")
        seen.add(key)
        if annotation["category_id"] not in labels:
            problems.add(f"{where} has the unknown category_id {annotation['category_id']!r}")
        elif annotation["image_id"] not in objects:
            problems.add(f"{where} has the unknown image_id {annotation['image_id']!r}")
        else:
            try:
                found = instance(
                    labels[annotation["category_id"]],
                    annotation.get("bbox"),
                    annotation.get("segmentation"),
                    where,
                    crowd=annotation.get("iscrowd", False),
                    masks=masks,
                )
                objects[annotation["image_id"]].append(found)
            except ValueError as error:
                problems.add(f"{where} {error}")
    images = Folder(folders[0])
    for index, image in enumerate(file.content["images"]):
        where = f"images[{index}] of {name}"
        if not is_inside(image["file_name"]):
            problems.add(f"{where} names {image['file_name']!r}, which is outside of the data")
            continue
        yield AnnotatedImage(
            _file_of(image["file_name"], folders, images),
            f"{where} ({image['file_name']})",
            tuple(objects[image["id"]]),
            (image["width"], image["height"]),
        )


def _file_of(name: str, folders: Sequence[Path], images: Folder) -> Path:
    """The file of this name in the first folder that has one; where none has, a path that is not there."""
    exact = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if exact is not None:
        return exact
    try:
        return images.find(name)
    except Unreadable:
        return folders[0] / name


def instance(
    label: int,
    bbox: Sequence[float] | None,
    segmentation: Any,
    where: str,
    *,
    crowd: bool,
    masks: bool,
) -> Instance:
    """One object as COCO describes it: bbox is left, top, width and height; where there is none, the polygons
    say it.

    Raises:
        ValueError: what is needed is not there.
    """
    segmentation = segmentation or None
    if masks and segmentation is None:
        raise ValueError("has no segmentation")
    box: Box
    if bbox:
        if len(bbox) != 4:
            raise ValueError(f"has a bbox of {len(bbox)} numbers")
        left, top, width, height = bbox
        box = left, top, left + width, top + height
    elif isinstance(segmentation, list) and all(part and len(part) % 2 == 0 for part in segmentation):
        box = bounds(segmentation)
    else:
        raise ValueError("has no bbox")
    return Instance(label, box, where, segmentation if masks else None, crowd)


def _image_folders(file: _File, source: Path, config: DataConfig) -> list[Path]:
    """Where images of a file may lie: as configured, or in the folder of COCO's or Roboflow's split."""
    images = source / config.images_directory
    tail = file.path.stem.split("_")[-1]
    of_split = [images / file.split] if file.split else []
    return [images, images / tail, *of_split, source / tail, file.path.parent, source]

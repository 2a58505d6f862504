"""dataset.json: one file that says all of each image, and its split in each of several ways to split.

    {"classes": ["bolt", "nut"],
     "images": [{"file": "a.png", "split": ["train", "test"], "label": "bolt", "mask": "a.png",
                 "annotations": [{"label": "bolt", "bbox": [8, 9, 20, 10], "segmentation": [[8, 9, ...]]}]}]}

`data.splitIndex` says which entry of `split` counts; null leaves the image out. Of label, mask and
annotations each task needs its own: a class, a file below data.masksDirectory (by default that of the image's
name), or objects as COCO describes them, in pixels. `classes` orders the classes of labels and annotations;
without it they are those that occur, sorted.
"""

import codecs
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationError,
)

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data.folder import is_inside
from trainingrun_trainer.data.metadata import Metadata, of_labels
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.data.splits import WORDS, assigned
from trainingrun_trainer.errors import BadData

FILE = "dataset.json"
ADVICE = f"Correct {FILE}, or export it again."


class Annotation(BaseModel):
    """One object in an image."""

    label: str = Field(min_length=1, validation_alias=AliasChoices("label", "category", "class"))
    bbox: list[FiniteFloat] | None = Field(None, min_length=4, max_length=4)
    """Left, top, width and height in pixels."""
    segmentation: list[list[FiniteFloat]] | dict[str, Any] | None = None
    """Polygons or a run-length encoding, as in COCO."""
    iscrowd: bool = False


def _none_for_nan(value: Any) -> Any:
    """pandas writes NaN where there is nothing."""
    return None if value != value else value


class _Image(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    file: str = Field(min_length=1, validation_alias=AliasChoices("file", "filename", "file_name"))
    split: str | list[str | None] | None
    label: Annotated[str | None, BeforeValidator(_none_for_nan)] = None
    mask: str | None = None
    annotations: list[Annotation] = Field(default_factory=list)
    width: PositiveInt | None = None
    height: PositiveInt | None = None


class _Content(BaseModel):
    classes: list[str] | None = None
    images: list[_Image]


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a split."""

    file: str
    """Below data.imagesDirectory."""
    split: str
    label: str | None
    mask: str | None
    """Below data.masksDirectory."""
    annotations: Sequence[Annotation]
    size: tuple[int, int] | None
    """Width and height in pixels, where both are given."""
    where: str
    """What a message calls it."""


@dataclass(frozen=True)
class Dataset:
    """What dataset.json says of the images that take part."""

    entries: tuple[Entry, ...]
    classes: tuple[str, ...] | None
    digest: bytes
    """SHA-256 of the file."""


def read(source: Path, config: DataConfig) -> Dataset:
    """Read dataset.json of a directory.

    Raises:
        BadData: it is missing or wrong; names the first ten problems.
    """
    path = source / FILE
    if not path.is_file():
        raise BadData(f"there is no {FILE} in {config.path}", f"Put {FILE} at its top.")
    text = path.read_bytes()
    problems = Problems()
    try:
        content = _Content.model_validate_json(text.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in problem["loc"])
            value = "" if problem["type"] in ("missing", "json_invalid") else f" is {problem['input']!r:.40}"
            problems.add(f"{place.removeprefix('.') or 'the text'} of {FILE}{value}: {problem['msg']}")
        problems.check(ADVICE)
        raise
    entries = []
    places: dict[str, str] = {}
    for index, image in enumerate(content.images):
        where = f"images[{index}] of {FILE}"
        for name in (image.file, image.mask):
            if name is not None and not is_inside(name):
                problems.add(f"{where} names {name!r}, which is outside of the data")
        if image.file in places:
            problems.add(f"{where} names {image.file!r} as {places[image.file]} does")
        places.setdefault(image.file, where)
        split = _split(image, config.split_index, where, problems)
        if split is not None:
            size = (image.width, image.height) if image.width and image.height else None
            entries.append(Entry(image.file, split, image.label, image.mask, image.annotations, size, where))
    _check_classes(content, problems)
    if not entries:
        problems.add(f"no image of {FILE} has a split")
    problems.check(ADVICE)
    return Dataset(
        tuple(entries), tuple(content.classes) if content.classes else None, hashlib.sha256(text).digest()
    )


def _split(image: _Image, index: int, where: str, problems: Problems) -> str | None:
    given = image.split if isinstance(image.split, list) else [image.split]
    if len(given) <= index:
        problems.add(f"{where} has {len(given)} splits, but data.splitIndex is {index}")
        return None
    name = given[index]
    if name is None:
        return None
    if name.lower() not in WORDS:
        problems.add(f"{where} has the split {name!r} instead of train, val or test")
        return None
    return WORDS[name.lower()]


def _check_classes(content: _Content, problems: Problems) -> None:
    if content.classes is None:
        return
    if len(set(content.classes)) < len(content.classes):
        problems.add(f"classes of {FILE} hold a name twice")
    for index, image in enumerate(content.images):
        for name in (image.label, *(annotation.label for annotation in image.annotations)):
            if name is not None and name not in content.classes:
                problems.add(f"images[{index}] of {FILE} has the label {name!r}, which is not in classes")


def classified(source: Path, config: DataConfig, seed: int) -> Metadata:
    """The images of dataset.json with their labels.

    Raises:
        BadData: as `read`; or labels are missing, or classes or splits cannot be trained on.
    """
    dataset = read(source, config)
    problems = Problems()
    for entry in dataset.entries:
        if not entry.label:
            problems.add(f"{entry.where} has no label")
    problems.check(ADVICE)
    return of_labels(
        [entry.file for entry in dataset.entries],
        [entry.label or "" for entry in dataset.entries],
        [entry.where for entry in dataset.entries],
        assigned([entry.split for entry in dataset.entries], config, seed),
        dataset.classes,
    )

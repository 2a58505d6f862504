"""YOLO: a text file beside each picture with a line for each object, in shares of the picture's sides.

A line is `class x y width height` (the centre of a box) or `class x1 y1 x2 y2 x3 y3 ...` (a polygon). Format:
https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/
"""

import hashlib
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import splits
from trainingrun_trainer.data.folder import is_inside
from trainingrun_trainer.data.instances import AnnotatedImage, Annotations, Box, Instance, bounds
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.errors import BadData

CONFIGS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAMES = ("classes.txt", "obj.names")
LABELS = "labels"
NAMES_IN = (".", LABELS, f"{LABELS}/train", f"train/{LABELS}")
"""Folders of NAMES, which some tools write beside the labels."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ADVICE = "Correct the files, or export them again as YOLO."
LAYOUT = (
    "Put data.yaml (names) or classes.txt at the top, images in images/train and images/val, and a text file "
    "for each in labels/train and labels/val."
)


def read(source: Path, config: DataConfig, seed: int, *, masks: bool) -> Annotations:
    """Read the YOLO files of a directory: images/train with labels/train, train/images with train/labels, the
    folders that data.yaml names, or images/ with labels/, which the seed then splits.

    A picture without a text file, or with an empty one, is a negative example.

    Args:
        source: directory of the data.
        config: name of the images' directory, and the shares of a split by the seed. It also takes
            data.validationSplit out of train where nothing is assigned to val.
        seed: of that split.
        masks: whether each object needs a polygon.

    Raises:
        BadData: the files are missing or damaged; names the first problems.
    """
    problems = Problems()
    description = _description(source)
    classes = _classes(description, source)
    folders = _folders(description, source, config)
    pictures = [(path, split) for split, folder in folders for path in _pictures(folder, source, problems)]
    problems.check(ADVICE)
    if not pictures:
        raise BadData(f"there are no images below {source}", LAYOUT)
    digest = hashlib.sha256("\0".join(classes).encode())
    images: list[AnnotatedImage] = []
    labelled: dict[Path, Path] = {}
    for path, _ in pictures:
        label_file = _label_file(path, source, config)
        name, where = (file.relative_to(source).as_posix() for file in (label_file, path))
        if labelled.setdefault(label_file, path) != path:
            problems.add(f"{name} is for {labelled[label_file].relative_to(source).as_posix()} and {where}")
        content = label_file.read_bytes() if label_file.exists() else b""
        digest.update(hashlib.sha256(content).digest())
        lines = _Lines(name, len(classes), masks, problems)
        images.append(AnnotatedImage(path, where, tuple(lines.instances(content)), shares=True))
    if not any(folder.is_file() for _, folder in folders):  # a list may leave out images
        for name in _without_image(labelled, source):
            problems.add(f"{name} has no image")
    problems.check(ADVICE)
    return Annotations(
        classes,
        tuple(images),
        splits.assigned([split for _, split in pictures], config, seed),
        digest.digest(),
    )


def _without_image(labelled: Mapping[Path, Path], source: Path) -> Iterator[str]:
    """The text files beside those of images, but for those at the top, which are lists."""
    for folder in {file.parent for file in labelled if file.parent != source}:
        for file in sorted(folder.iterdir() if folder.is_dir() else ()):
            if file.suffix.lower() == ".txt" and file not in labelled and file.name not in NAMES:
                yield file.relative_to(source).as_posix()


def _description(source: Path) -> Mapping[str, Any]:
    """data.yaml, or nothing where there is none."""
    path = next((source / name for name in CONFIGS if (source / name).is_file()), None)
    if path is None:
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadData(f"{path.name} cannot be read as YAML: {error}", ADVICE) from error
    if not isinstance(content, Mapping):
        raise BadData(f"{path.name} holds no fields", LAYOUT)
    return content


def _classes(description: Mapping[str, Any], source: Path) -> tuple[str, ...]:
    names = description.get("names")
    if isinstance(names, Mapping):
        if set(names) != set(range(len(names))):
            raise BadData(
                f"names of data.yaml have the keys {', '.join(map(reprlib.repr, names))}", "Use 0, 1, 2, ..."
            )
        names = [names[index] for index in range(len(names))]
    if names is None:
        places = (source / folder / name for folder in NAMES_IN for name in NAMES)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise BadData(f"there is neither data.yaml with names nor {NAMES[0]} in {source}", LAYOUT)
        names = [line.strip() for line in _lines(path.read_bytes()) if line.strip()]
    if not isinstance(names, list) or not all(map(_is_name, names)):
        raise BadData(
            f"the class names {reprlib.repr(names)} are no list of names",
            "Give each class a name. Put names such as no, yes and null into quotes.",
        )
    if not names or len(set(map(str, names))) < len(names):
        raise BadData(f"the class names {reprlib.repr(names)} are not different", "Name each class once.")
    if description.get("nc", len(names)) != len(names):
        raise BadData(
            f"data.yaml says nc: {reprlib.repr(description['nc'])} and has {len(names)} names", "Correct nc."
        )
    return tuple(map(str, names))


def _is_name(value: Any) -> bool:
    """Whether YAML took it for a text or a number; no and null are a bool and None."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _folders(
    description: Mapping[str, Any], source: Path, config: DataConfig
) -> list[tuple[str | None, Path]]:
    """Folders, or text files that list images, and the splits that they are for."""
    found: list[tuple[str | None, Path]] = []
    for word, split in splits.WORDS.items():
        entries = description.get(word) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, str):
                raise BadData(f"data.yaml names {reprlib.repr(entry)} for {word}, which is no path", LAYOUT)
            path = _inside(entry, description, source, "data.yaml")
            if path.exists():
                found.append((split, path))
            elif split != "test":  # which some tools name though there is none
                raise BadData(f"data.yaml names {entry!r} for {word}, which is not there", LAYOUT)
    if found:
        return found
    images = source / config.images_directory
    found = [
        (split, folder)
        for word, split in splits.WORDS.items()
        for folder in (images / word, source / word / config.images_directory)
        if folder.is_dir()
    ]
    return found or [(None, images)]


def _inside(entry: str, description: Mapping[str, Any], source: Path, where: str) -> Path:
    """A path of data.yaml or of a list. Tools write it relative to themselves, with ../ in front, or to
    `path`."""
    path = PurePosixPath(entry)
    while path.parts and path.parts[0] == "..":
        path = PurePosixPath(*path.parts[1:])
    if not is_inside(path.as_posix()):
        raise BadData(f"{where} names {entry!r}, which is outside of the data", "Use relative paths.")
    below = description.get("path")
    if isinstance(below, str) and is_inside(below) and (source / below / path).exists():
        return source / below / path
    return source / path


def _pictures(folder: Path, source: Path, problems: Problems) -> list[Path]:
    """The images of a folder, or of a text file that lists them."""
    if folder.is_file():
        found = []
        for number, line in enumerate(_lines(folder.read_bytes()), start=1):
            if name := line.strip():
                where = f"line {number} of {folder.name}"
                found.append(_inside(name, {}, source, where))
                if not found[-1].is_file():
                    problems.add(f"{where} names {name!r}, which is not there")
        return found
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _label_file(image: Path, source: Path, config: DataConfig) -> Path:
    """The text file of an image: below labels/ instead of images/, or beside it; its suffix perhaps in
    capitals."""
    parts = list(image.relative_to(source).with_suffix(".txt").parts)
    folder = PurePosixPath(config.images_directory).name
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == folder:
            parts[place] = LABELS
            break
    path = source.joinpath(*parts)
    capitals = path.with_suffix(".TXT")
    return capitals if capitals.exists() and not path.exists() else path


@dataclass(frozen=True)
class _Lines:
    """Reads the lines of one text file."""

    name: str
    classes: int
    masks: bool
    problems: Problems

    def instances(self, content: bytes) -> Iterator[Instance]:
        """The objects of all lines; those with a problem are left out."""
        for number, line in enumerate(_lines(content), start=1):
            if words := line.split():
                where = f"line {number} of {self.name}"
                try:
                    yield self._instance(words, where)
                except ValueError as error:
                    self.problems.add(f"{where} {error}")

    def _instance(self, words: Sequence[str], where: str) -> Instance:
        label, *values = map(_number, words)
        if label not in range(self.classes):
            raise ValueError(f"has the class {words[0]} of {self.classes} (0 to {self.classes - 1})")
        if len(values) == 4:
            if self.masks:
                raise ValueError("has a box where a polygon is needed")
            x, y, width, height = values
            box: Box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
            return Instance(int(label), box, where)
        if len(values) < 6 or len(values) % 2:
            raise ValueError(f"has {len(words)} numbers instead of 5 for a box or 7, 9, ... for a polygon")
        return Instance(int(label), bounds([values]), where, [values] if self.masks else None)


def _lines(content: bytes) -> list[str]:
    """The lines of a text as an editor counts them; str.splitlines() also cuts at form feeds and the like."""
    return [line.decode("utf-8-sig", errors="replace") for line in content.splitlines()]


def _number(word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"has {word!r} in place of a number")
    return number

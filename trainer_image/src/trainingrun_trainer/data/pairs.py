"""Which image has which mask and belongs to which split, whatever the format. No picture is opened here.

A mask has the name of its image, perhaps with another suffix, unless metadata.csv or dataset.json names it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import dataset_json, splits, table
from trainingrun_trainer.data.folder import Folder, is_inside
from trainingrun_trainer.data.images import Unreadable
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.data.splits import SPLITS, Indices
from trainingrun_trainer.errors import BadData

ADVICE = "Add the files, correct the names, or drop the entries."


class Pairs(NamedTuple):
    """Images and their masks, in the order of the data."""

    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    where: tuple[str, ...]
    """What a message calls each pair: "row 3 of metadata.csv"."""
    splits: Mapping[str, Indices]
    """Pairs of train, val and perhaps test."""


class _Named(NamedTuple):
    """A pair as the data name it, below the directories of images and masks."""

    image: str
    mask: str | None
    where: str
    split: str | None


def pairs(source: Path, config: DataConfig, seed: int) -> Pairs:
    """The pairs of a data set in a directory.

    - zip and directory: metadata.csv with images/ and masks/; or, without metadata.csv, train/, val/ and
      perhaps test/, each with images/ and masks/ of its own.
    - split-files: train.txt, val.txt and perhaps test.txt, which name images below images/, one a line.
    - dataset-json: see `dataset_json`.

    images/ and masks/ are what data.imagesDirectory and data.masksDirectory name. Where nothing says what is
    for validation, the seed cuts it.

    Raises:
        BadData: a list is missing or damaged, files are missing or named twice, or a split is empty; names
            the first ten.
    """
    without_list = config.format in ("zip", "directory") and not (source / table.FILE).exists()
    folders = without_list and (source / SPLITS[0]).is_dir()
    found = (_of_folders if folders else _of_lists)(source, config, seed)
    for split in SPLITS[:2]:
        if split not in found.splits:
            raise BadData(f"the {split} split of {config.path} is empty", f"Assign images to {split}.")
    return found


def _of_folders(source: Path, config: DataConfig, seed: int) -> Pairs:
    images: list[Path] = []
    masks: list[Path] = []
    where: list[str] = []
    assigned: list[str] = []
    problems = Problems()
    for split in SPLITS:
        folder, of_masks = (
            source / split / name for name in (config.images_directory, config.masks_directory)
        )
        if not folder.is_dir():
            continue
        finder = Folder(of_masks)
        for image in sorted(path for path in folder.rglob("*") if _is_visible(path)):
            name = image.relative_to(folder).as_posix()
            try:
                masks.append(finder.find(name))
            except Unreadable as error:
                problems.add(f"the mask of {split}/{config.images_directory}/{name} {error}")
            images.append(image)
            where.append(f"{split}/")
            assigned.append(split)
    problems.check(ADVICE)
    return Pairs(tuple(images), tuple(masks), tuple(where), splits.assigned(assigned, config, seed))


def _is_visible(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _of_lists(source: Path, config: DataConfig, seed: int) -> Pairs:
    match config.format:
        case "split-files":
            named = _split_files(source, config)
        case "dataset-json":
            named = [
                _Named(entry.file, entry.mask, entry.where, entry.split)
                for entry in dataset_json.read(source, config).entries
            ]
        case _:
            named = _metadata(source, config)
    images, masks = (Folder(source / name) for name in (config.images_directory, config.masks_directory))
    problems = Problems()
    found: dict[Path, tuple[Path, str]] = {}
    for entry in named:
        image, mask = (
            _find(folder, name, entry.where, problems)
            for folder, name in ((images, entry.image), (masks, entry.mask or entry.image))
        )
        if image is None or mask is None:
            continue
        if image in found:
            problems.add(f"{entry.where} names {entry.image!r}, as {found[image][1]} does")
        found.setdefault(image, (mask, entry.where))
    problems.check(ADVICE)
    return Pairs(
        tuple(found),
        tuple(mask for mask, _ in found.values()),
        tuple(where for _, where in found.values()),
        splits.assigned([entry.split for entry in named], config, seed),
    )


def _find(folder: Folder, name: str, where: str, problems: Problems) -> Path | None:
    if not is_inside(name):
        problems.add(f"{where} names {name!r}, which is outside of the data")
        return None
    try:
        return folder.find(name)
    except Unreadable as error:
        problems.add(f"{where}: {name!r} {error}")
        return None


def _metadata(source: Path, config: DataConfig) -> list[_Named]:
    content = table.read(source, config)
    images = table.image_files(content, config)
    masks: Sequence[str | None] = [None] * len(images)
    if config.mask_column in content.columns:
        masks = table.column(content, config.mask_column, "data.maskColumn")
    assigned: Sequence[str | None] = table.assigned_splits(content, config) or [None] * len(images)
    return [
        _Named(image, mask, table.where(line), split)
        for image, mask, line, split in zip(images, masks, content.index, assigned, strict=True)
    ]


def _split_files(source: Path, config: DataConfig) -> list[_Named]:
    directory = source / (config.splits_directory or "")
    named = []
    for split in SPLITS:
        path = directory / f"{split}.txt"
        if not path.exists() and split != SPLITS[0]:
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except FileNotFoundError as error:
            raise BadData(
                f"there is no {path.name} in {config.path}",
                "Put train.txt and val.txt at its top or into data.splitsDirectory, with the name of an "
                "image in each line.",
            ) from error
        except UnicodeDecodeError as error:
            raise BadData(f"{path.name} is no text: {error}", "Save it as UTF-8.") from error
        named += [
            _Named(line.strip(), None, f"line {number} of {path.name}", split)
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
    if not named:
        raise BadData(
            f"train.txt in {config.path} names no image", "Write the name of an image in each line."
        )
    return named

"""metadata.csv: which image has which class and belongs to which split.

Errors name the row, the header being row 1.
"""

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainingrun_api.training import DataConfig
from trainingrun_trainer.errors import BadConfig, BadData

FILE = "metadata.csv"
IMAGES = "images"
SPLITS = ("train", "val", "test")
FIRST_ROW = 2

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Metadata:
    """Images in the order of metadata.csv."""

    files: tuple[str, ...]
    """Paths below images/."""
    labels: Indices
    """Class of each image, as an index into classes."""
    classes: tuple[str, ...]
    """Sorted, by number where all are numbers. Of two classes the second is the positive one."""
    splits: Mapping[str, Indices]
    """Images of each split; only splits that are not empty."""


def counts(labels: Indices, classes: int) -> list[int]:
    """How often each class occurs."""
    occurrences: list[int] = np.bincount(labels, minlength=classes).tolist()
    return occurrences


def row_of(index: int) -> int:
    """Row in metadata.csv of the image with this index."""
    return index + FIRST_ROW


def read(directory: Path, config: DataConfig, seed: int) -> Metadata:
    """Read and check metadata.csv of a directory.

    Raises:
        BadData: it is missing, lacks a column or a value, names an unknown split, or has classes or splits
            that cannot be trained on.
        BadConfig: no split column, and data.validationSplit is 0.
    """
    path = directory / FILE
    if not path.is_file():
        raise BadData(f"there is no {FILE} in {config.path}", f"Put {FILE} and {IMAGES}/ at its top.")
    table = _read_table(path)
    files = _column(table, config.image_column, "data.imageColumn")
    values = _column(table, config.label_column, "data.labelColumn")
    _check_files(files)
    classes = sort_classes(set(values))
    if len(classes) < 2:
        raise BadData(
            f"all images are of the single class {classes[0]!r}", "Add images of at least one other class."
        )
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[value] for value in values], dtype=np.int64)
    if config.split_column in table.columns:
        splits = given_splits(_column(table, config.split_column, "data.splitColumn"), config.split_column)
    else:
        splits = stratified_splits(labels, classes, config.validation_split, config.test_split, seed)
    metadata = Metadata(tuple(files), labels, classes, splits)
    _check_splits(metadata)
    return metadata


def _read_table(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # else pandas would drop the fields that a longer first row has
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(
                path,
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
                encoding="utf-8-sig",
                index_col=False,
            )
        except pd.errors.ParserWarning as error:
            raise BadData(
                f"row {FIRST_ROW} of {FILE} has more fields than the header",
                "Remove commas at the end of rows, or name every column in the header.",
            ) from error
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise BadData(
                f"{FILE} cannot be read as CSV: {error}", "Save it as comma-separated UTF-8."
            ) from error


def _column(table: pd.DataFrame, name: str, field: str) -> list[str]:
    if name not in table.columns:
        raise BadData(
            f"{FILE} has no column {name!r}, only {', '.join(map(repr, table.columns))}",
            f"Add the column, or name the right one in {field}.",
        )
    values = [value.strip() for value in table[name]]
    for index, value in enumerate(values):
        if not value:
            raise BadData(
                f"row {row_of(index)} of {FILE} has no value in column {name!r}",
                "Fill it in or drop the row.",
            )
    return values


def _check_files(files: Sequence[str]) -> None:
    if not files:
        raise BadData(f"{FILE} has no rows", "Add a row for each image.")
    first: dict[str, int] = {}
    for index, name in enumerate(files):
        if "\0" in name:
            raise BadData(
                f"row {row_of(index)} of {FILE} names {name!r}, which holds a NUL", "Correct the name."
            )
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise BadData(
                f"row {row_of(index)} of {FILE} names {name!r}, which is outside of {IMAGES}/",
                f"Name files relative to {IMAGES}/.",
            )
        if name in first:
            raise BadData(
                f"rows {row_of(first[name])} and {row_of(index)} of {FILE} name the same image {name!r}",
                "Keep one of them.",
            )
        first[name] = index


def sort_classes(values: set[str]) -> tuple[str, ...]:
    """Class names in order: by number where all are whole numbers, else by text."""
    if all(re.fullmatch(r"-?\d+", value) for value in values):
        return tuple(sorted(values, key=lambda value: (int(value), value)))
    return tuple(sorted(values))


def given_splits(values: Sequence[str], column: str) -> dict[str, Indices]:
    """The splits that a column assigns.

    Raises:
        BadData: a value is none of train, val and test.
    """
    for index, value in enumerate(values):
        if value not in SPLITS:
            raise BadData(
                f"row {row_of(index)} of {FILE} has {value!r} in column {column!r}",
                f"Use one of {', '.join(SPLITS)}.",
            )
    assigned = np.array(values)
    splits = {split: np.flatnonzero(assigned == split).astype(np.int64) for split in SPLITS}
    return {split: indices for split, indices in splits.items() if len(indices)}


def stratified_splits(
    labels: Indices, classes: Sequence[str], validation_share: float, test_share: float, seed: int
) -> dict[str, Indices]:
    """Splits in which every class has its share: the same for the same labels and seed, whatever the machine.

    Raises:
        BadConfig: the share of validation images is 0.
        BadData: a class has fewer images than there are splits.
    """
    if validation_share == 0:
        raise BadConfig(
            f"data.validationSplit is 0 and {FILE} has no split column, so nothing is left to validate on",
            "Set data.validationSplit above 0, or add a column that assigns train, val and test.",
        )
    needed = 3 if test_share else 2
    shuffle = np.random.default_rng(seed)
    parts: dict[str, list[Indices]] = {split: [] for split in SPLITS}
    for number, name in enumerate(classes):
        members = shuffle.permutation(np.flatnonzero(labels == number))
        if len(members) < needed:
            raise BadData(
                f"class {name!r} has {len(members)} images, too few for {needed} splits",
                "Add images of that class, or drop it.",
            )
        validation = max(1, round(len(members) * validation_share))
        test = min(max(1, round(len(members) * test_share)), len(members) - 2) if test_share else 0
        validation = min(validation, len(members) - test - 1)
        parts["val"].append(members[:validation])
        parts["test"].append(members[validation : validation + test])
        parts["train"].append(members[validation + test :])
    splits = {split: np.sort(np.concatenate(indices)).astype(np.int64) for split, indices in parts.items()}
    return {split: indices for split, indices in splits.items() if len(indices)}


def _check_splits(metadata: Metadata) -> None:
    for split in ("train", "val"):
        if split not in metadata.splits:
            raise BadData(
                f"the {split} split is empty", f"Assign images to {split} in the split column of {FILE}."
            )
    for split, indices in metadata.splits.items():
        present = Counter(metadata.labels[indices].tolist())
        if len(present) < 2:
            raise BadData(
                f"the {split} split holds the single class {metadata.classes[next(iter(present))]!r}",
                "Assign images of every class to it.",
            )
    trained = set(metadata.labels[metadata.splits["train"]].tolist())
    for index, label in enumerate(metadata.labels.tolist()):
        if label not in trained:
            raise BadData(
                f"row {row_of(index)} of {FILE} has class {metadata.classes[label]!r}, which is not in train",
                "Assign images of that class to train, or drop it.",
            )

"""metadata.csv: which image has which class and belongs to which split.

Errors name the row, the header being row 1.
"""

import codecs
import io
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
SEPARATORS = (",", ";", "\t")

Indices = npt.NDArray[np.int64]
Split = Callable[[Indices, Sequence[str]], Mapping[str, Indices]]
"""What makes splits of labels and class names."""


@dataclass(frozen=True)
class Metadata:
    """Images with a class each, in the order of metadata.csv."""

    files: tuple[str, ...]
    """Paths below images/."""
    where: tuple[str, ...]
    """What a message calls each, such as "row 2 of metadata.csv"."""
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
    table = read_table(directory, config)
    files = column(table, config.image_column, "data.imageColumn")
    values = column(table, config.label_column, "data.labelColumn")
    check_files(files, config.images_directory)
    where = [f"row {row_of(index)} of {FILE}" for index in range(len(files))]
    splits: Mapping[str, Indices] | Split
    if config.split_column in table.columns:
        splits = given_splits(column(table, config.split_column, "data.splitColumn"), config.split_column)
    else:
        splits = partial(
            stratified_splits,
            validation_share=config.validation_split,
            test_share=config.test_split,
            seed=seed,
        )
    return of_labels(files, values, where, splits)


def of_labels(
    files: Sequence[str],
    values: Sequence[str],
    where: Sequence[str],
    splits: Mapping[str, Indices] | Split,
    names: Sequence[str] | None = None,
) -> Metadata:
    """Images with a class each.

    Args:
        files: their names.
        values: the class of each.
        where: what a message calls each.
        splits: given ones, or what makes them of labels and classes.
        names: all classes in their order; by default those that occur, sorted.

    Raises:
        BadData: classes or splits cannot be trained on.
    """
    present = set(values)
    if len(present) < 2:
        raise BadData(
            f"all images are of the single class {values[0]!r}", "Add images of at least one other class."
        )
    classes = tuple(name for name in names if name in present) if names else sort_classes(present)
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[value] for value in values], dtype=np.int64)
    if callable(splits):
        splits = splits(labels, classes)
    metadata = Metadata(tuple(files), tuple(where), labels, classes, splits)
    _check_splits(metadata)
    return metadata


def read_table(directory: Path, config: DataConfig) -> pd.DataFrame:
    """metadata.csv of a directory as text: UTF-8 or, as Excel saves it, UTF-16; separated by comma, semicolon
    or tab, whichever makes `data.imageColumn` a column.

    Raises:
        BadData: it is missing or no such table.
    """
    path = directory / FILE
    if not path.is_file():
        raise BadData(
            f"there is no {FILE} in {config.path}", f"Put {FILE} and {config.images_directory}/ at its top."
        )
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    with warnings.catch_warnings():
        # else pandas would drop the fields that a longer first row has
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            text = content.decode(encoding)
            return pd.read_csv(
                io.StringIO(text),
                sep=_separator(text, config.image_column),
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
                index_col=False,
            ).rename(columns=str.strip)
        except pd.errors.ParserWarning as error:
            raise BadData(
                f"row {FIRST_ROW} of {FILE} has more fields than the header",
                "Remove separators at the end of rows, or name every column in the header.",
            ) from error
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise BadData(
                f"{FILE} cannot be read as CSV: {error}", "Save it as comma-separated UTF-8."
            ) from error


def _separator(text: str, image_column: str) -> str:
    header = text.lstrip().partition("\n")[0]
    for separator in SEPARATORS:
        if image_column in (name.strip().strip('"') for name in header.split(separator)):
            return separator
    return SEPARATORS[0]


def column(table: pd.DataFrame, name: str, field: str) -> list[str]:
    """The values of a column, stripped.

    Args:
        table: metadata.csv.
        name: name of the column.
        field: field of the config that holds the name.

    Raises:
        BadData: there is no such column, or a value is missing.
    """
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


def check_files(files: Sequence[str], folder: str, *, unique: bool = True) -> None:
    """Check names of files below a folder of the data.

    Raises:
        BadData: there are none, or one leaves the folder or, where they are to be unique, occurs twice.
    """
    if not files:
        raise BadData(f"{FILE} has no rows", "Add a row for each image.")
    first: dict[str, int] = {}
    for index, name in enumerate(files):
        if "\0" in name:
            raise BadData(
                f"row {row_of(index)} of {FILE} names {name!r}, which holds a NUL", "Correct the name."
            )
        if not is_inside(name):
            raise BadData(
                f"row {row_of(index)} of {FILE} names {name!r}, which is outside of {folder}/",
                f"Name files relative to {folder}/.",
            )
        if unique and name in first:
            raise BadData(
                f"rows {row_of(first[name])} and {row_of(index)} of {FILE} name the same image {name!r}",
                "Keep one of them.",
            )
        first[name] = index


def is_inside(name: str) -> bool:
    """Whether a name of a file stays below the directory that it is relative to."""
    path = PurePosixPath(name)
    return "\0" not in name and not path.is_absolute() and ".." not in path.parts


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
            raise BadData(f"the {split} split is empty", f"Assign images to {split}.")
    for split, indices in metadata.splits.items():
        present = Counter(metadata.labels[indices].tolist())
        if len(present) < 2:
            raise BadData(
                f"the {split} split holds the single class {metadata.classes[next(iter(present))]!r}",
                "Assign images of every class to it.",
            )
    trained = set(metadata.labels[metadata.splits["train"]].tolist())
    for place, label in zip(metadata.where, metadata.labels.tolist(), strict=True):
        if label not in trained:
            raise BadData(
                f"{place} has class {metadata.classes[label]!r}, which is not in train",
                "Assign images of that class to train, or drop it.",
            )

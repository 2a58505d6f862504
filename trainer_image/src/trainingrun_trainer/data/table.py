"""metadata.csv as a table of text: names of images, and perhaps classes, masks and splits.

A row's index is the line of the file on which it begins, as an editor counts them: errors name it by that.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data.folder import is_inside
from trainingrun_trainer.data.splits import SPLITS
from trainingrun_trainer.errors import BadData

FILE = "metadata.csv"
IMAGES = "images"
SEPARATORS = (",", ";", "\t")


def where(line: int) -> str:
    """What a message calls the row that begins on a line."""
    return f"row {line} of {FILE}"


def read(directory: Path, config: DataConfig) -> pd.DataFrame:
    """metadata.csv of a directory as stripped text: UTF-8 or, as Excel saves it, UTF-16; separated by comma,
    semicolon or tab, whichever makes `data.imageColumn` a column. Rows without any text are skipped.

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
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadData(
            f"{FILE} cannot be read as CSV: {error}", "Save it as comma-separated UTF-8."
        ) from error
    rows = _rows(text, _separator(text, config.image_column))
    _, header = next(rows, (0, []))
    if not header:
        raise BadData(f"{FILE} is empty", "Name the columns in its first row, and add a row for each image.")
    cells = {}
    for line, row in rows:
        if len(row) > len(header):
            raise BadData(
                f"{where(line)} has more fields than the header, {len(row)} instead of {len(header)}",
                "Remove separators at the end of rows, quote values that hold one, or name every column.",
            )
        cells[line] = row + [""] * (len(header) - len(row))
    return pd.DataFrame.from_dict(cells, orient="index", columns=header, dtype=str)


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold any text, each with the line on which it begins."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=separator, skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cells := [cell.strip() for cell in row]):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadData(
            f"{where(line)} cannot be read as CSV: {error}",
            "Close each quote, double those within a quoted value, and save the file as UTF-8.",
        ) from error


def _separator(text: str, image_column: str) -> str:
    """What makes the first row hold the name of the image column."""
    for separator in SEPARATORS:
        if image_column in next(_rows(text, separator), (0, []))[1]:
            return separator
    return SEPARATORS[0]


def column(table: pd.DataFrame, name: str, field: str) -> list[str]:
    """The values of a column.

    Args:
        table: metadata.csv.
        name: name of the column.
        field: field of the config that holds the name.

    Raises:
        BadData: there is no such column, or there are two, or a value is missing.
    """
    if name not in table.columns:
        raise BadData(
            f"{FILE} has no column {name!r}, only {', '.join(map(repr, table.columns))}",
            f"Add the column, or name the right one in {field}.",
        )
    if table.columns.tolist().count(name) > 1:
        raise BadData(f"{FILE} has the column {name!r} twice", f"Keep one, or name another in {field}.")
    values: list[str] = table[name].tolist()
    for line, value in zip(table.index, values, strict=True):
        if not value:
            raise BadData(f"{where(line)} has no value in column {name!r}", "Fill it in or drop the row.")
    return values


def image_files(table: pd.DataFrame, config: DataConfig) -> list[str]:
    """Names of files in data.imageColumn, each below data.imagesDirectory.

    Raises:
        BadData: there are none, or one leaves that directory or occurs twice.
    """
    files = column(table, config.image_column, "data.imageColumn")
    if not files:
        raise BadData(f"{FILE} has no rows", "Add a row for each image.")
    lines: dict[str, int] = {}
    for line, name in zip(table.index, files, strict=True):
        if "\0" in name:
            raise BadData(f"{where(line)} names {name!r}, which holds a NUL", "Correct the name.")
        if not is_inside(name):
            raise BadData(
                f"{where(line)} names {name!r}, which is outside of {config.images_directory}/",
                f"Name files relative to {config.images_directory}/.",
            )
        if name in lines:
            raise BadData(
                f"rows {lines[name]} and {line} of {FILE} name the same image {name!r}", "Keep one of them."
            )
        lines[name] = line
    return files


def assigned_splits(table: pd.DataFrame, config: DataConfig) -> list[str] | None:
    """The split of each row, in data.splitColumn; None where there is no such column.

    Raises:
        BadData: one is none of train, val and test.
    """
    if config.split_column not in table.columns:
        return None
    values = column(table, config.split_column, "data.splitColumn")
    for line, value in zip(table.index, values, strict=True):
        if value not in SPLITS:
            raise BadData(
                f"{where(line)} has {value!r} in column {config.split_column!r}",
                f"Use one of {', '.join(SPLITS)}.",
            )
    return values

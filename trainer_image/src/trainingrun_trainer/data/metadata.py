"""Which image has which class and belongs to which split, checked: what metadata.csv or dataset.json says."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import splits, table
from trainingrun_trainer.data.splits import Indices
from trainingrun_trainer.errors import BadData

Split = Callable[[Indices, Sequence[str]], Mapping[str, Indices]]
"""What makes splits of labels and class names."""


@dataclass(frozen=True)
class Metadata:
    """Images with a class each, in the order of their list."""

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


def read(directory: Path, config: DataConfig, seed: int) -> Metadata:
    """Read and check metadata.csv of a directory.

    Raises:
        BadData: it is missing, lacks a column or a value, names an unknown split, or has classes or splits
            that cannot be trained on.
        BadConfig: no split column, and data.validationSplit is 0.
    """
    content = table.read(directory, config)
    files = table.image_files(content, config)
    values = table.column(content, config.label_column, "data.labelColumn")
    assigned = table.assigned_splits(content, config)
    return of_labels(
        files,
        values,
        [table.where(line) for line in content.index],
        splits.given(assigned)
        if assigned
        else partial(
            splits.stratified,
            validation_share=config.validation_split,
            test_share=config.test_split,
            seed=seed,
        ),
    )


def of_labels(
    files: Sequence[str],
    values: Sequence[str],
    where: Sequence[str],
    assigned: Mapping[str, Indices] | Split,
    names: Sequence[str] | None = None,
) -> Metadata:
    """Images with a class each.

    Args:
        files: their names.
        values: the class of each.
        where: what a message calls each.
        assigned: the splits, or what makes them of labels and classes.
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
    made = assigned(labels, classes) if callable(assigned) else assigned
    metadata = Metadata(tuple(files), tuple(where), labels, classes, made)
    _check_splits(metadata)
    return metadata


def sort_classes(values: set[str]) -> tuple[str, ...]:
    """Class names in order: by number where all are whole numbers, else by text."""
    if all(re.fullmatch(r"-?\d{1,999}", value) for value in values):
        return tuple(sorted(values, key=lambda value: (int(value), value)))
    return tuple(sorted(values))


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

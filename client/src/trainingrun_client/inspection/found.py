"""What a look at data finds, in the words of spec.training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainingrun_api.training import TaskName

SPLITS = ("train", "val", "test")
WORDS: Mapping[str, str] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of the splits that tools use."""


@dataclass(frozen=True)
class List:
    """A list of the samples that the trainer needs and the data lack."""

    content: str
    """Of metadata.csv."""
    lifted: bool = False
    """Whether it belongs beside the data's folder, because a list lies above the folder of its images."""


@dataclass(frozen=True)
class Found:
    """Data of a known form."""

    form: str
    """For people."""
    tasks: tuple[TaskName, ...]
    """What can be learned of them; the most likely one first."""
    data: Mapping[str, Any]
    """Fields of training.data, without path."""
    samples: int
    classes: Mapping[str, int] = field(default_factory=dict)
    """Samples, or objects, of each class; 0 where nobody has counted."""
    splits: Mapping[str, int] = field(default_factory=dict)
    """Samples of each split, where the data assign them."""
    missing: List | None = None
    side: int | None = None
    """The longest side of the pictures that were looked at, in pixels."""
    grey: bool = False
    """Whether all of those are grey."""
    remarks: tuple[str, ...] = ()
    """What is wrong with them, or may be."""

    @property
    def counted(self) -> bool:
        """Whether it is known how often each class occurs."""
        return any(self.classes.values())


def printable(text: str) -> str:
    """Text without what would take over a terminal or break a line.

    >>> printable("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def splits_of(words: Sequence[str | None]) -> dict[str, int]:
    """How many samples each split has; nothing where some have none."""
    known = [WORDS.get(word.lower()) if word else None for word in words]
    counts = Counter(known)
    return {} if None in counts else {split: counts[split] for split in SPLITS if counts[split]}


def classes_of(values: Sequence[str]) -> dict[str, int]:
    """How often each class occurs, in the order in which the trainer has them."""
    counts = Counter(values)
    numbers = all(value.lstrip("-").isdecimal() for value in counts)
    return {name: counts[name] for name in sorted(counts, key=int if numbers else str)}

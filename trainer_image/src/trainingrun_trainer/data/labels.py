"""What the numbers in masks mean: which labels are classes, and under which index networks learn them.

Masks may hold any labels from 0 to 65535. By the custom of Pascal VOC and its successors 255 means "no label"
where it stands beside the numbers of classes, unlike the white of black and white. Networks, losses and
scores count classes from 0 without gaps, with `IGNORED` for what counts nowhere; predictions are given back
in the labels of the masks.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.errors import BadConfig, BadData
from trainingrun_trainer.logs import LOGGER

GREATEST = 65535
"""Greatest label, for masks have 16 bits at most."""
IGNORED = 255
"""Class index of pixels that count in no loss and no score."""
VOID = 255
"""What masks of Pascal VOC, Cityscapes and ADE20K hold where nothing counts."""
WHITE = frozenset((0, 255))
"""Masks that hold nothing else are binary: drawn in black and white."""
BACKGROUND = "background"


@dataclass(frozen=True)
class Labels:
    """The classes of a data set's masks."""

    names: tuple[str, ...]
    values: tuple[int, ...]
    """The label of each class in the masks: (0, target) where one label stands against all others."""
    ignored: int | None
    """A label that is no class."""
    one_against_all: bool = False

    @classmethod
    def of(cls, found: Sequence[Set[int]], where: Sequence[str], config: DataConfig) -> "Labels":
        """The classes, by data.classNames or else by the labels that occur, in their order.

        Args:
            found: the labels of each mask.
            where: what a message calls each mask, such as "mask 'a.png'".
            config: classNames, targetLabel and ignoreLabel.

        Raises:
            BadConfig: targetLabel or ignoreLabel fits nothing.
            BadData: there are no two labels to tell apart, too many, or such as classNames does not name, or
                it is unclear whether 255 is one; names the first ten masks.
        """
        ignored, target, names = config.ignore_label, config.target_label, config.class_names
        present = frozenset[int]().union(*found)
        if ignored is None and target != VOID and _is_void(present, names):
            ignored = VOID
            LOGGER.warning(
                "masks hold %d beside the labels %s: it counts in no loss and no score, as with "
                "data.ignoreLabel %d",
                VOID,
                _listed(present - {VOID}),
                VOID,
            )
        present -= {ignored}
        if target is not None and target == ignored:
            raise BadConfig(f"data.targetLabel and data.ignoreLabel are both {target}", "Remove one of them.")
        values = _values(present, names)
        if len(values) > IGNORED:
            what = "data.classNames has {} names" if names else "masks hold {} different labels"
            raise BadData(
                f"{what.format(len(values))}, more than {IGNORED}",
                "Masks must hold class numbers, not grey levels, of at most so many classes.",
            )
        _check(found, where, present, set(values) | {ignored}, names)
        named = dict(zip(values, names or map(_name, values), strict=True))
        if target is None:
            return cls(tuple(named.values()), values, ignored)
        if target not in present:
            raise BadConfig(
                f"data.targetLabel is {target}, but masks hold the labels {_listed(present)}",
                "Name one of them.",
            )
        return cls((BACKGROUND, named[target]), (0, target), ignored, one_against_all=True)

    def table(self) -> npt.NDArray[np.uint8]:
        """The class index of each label, (65536,), `IGNORED` for what is none."""
        table = np.full(GREATEST + 1, 0 if self.one_against_all else IGNORED, dtype=np.uint8)
        table[list(self.values)] = np.arange(len(self.values))
        if self.ignored is not None:
            table[self.ignored] = IGNORED
        return table


def _is_void(present: frozenset[int], names: Sequence[str] | None) -> bool:
    """Whether 255 stands for "no label". Raises BadData where that is unclear."""
    others = present - {VOID}
    if VOID not in present or not others or present == WHITE or len(present) > IGNORED:
        return False
    if names is not None:
        return len(others) > 1 and max(others) < len(names) <= VOID
    if len(others) > 1 and max(others) - min(others) < len(others) and min(others) <= 1:
        return True
    raise BadData(
        f"masks hold the labels {_listed(present)}, where {VOID} may be a class or stand for no label",
        f"Set data.ignoreLabel to {VOID}; or, if {VOID} is a class, to a label that no mask holds.",
    )


def _values(present: frozenset[int], names: Sequence[str] | None) -> tuple[int, ...]:
    if names is None or (present == WHITE and len(names) == 2):
        return tuple(sorted(present))
    return tuple(range(len(names)))


def _check(
    found: Sequence[Set[int]],
    where: Sequence[str],
    present: frozenset[int],
    known: Set[int | None],
    names: Sequence[str] | None,
) -> None:
    if len(present) < 2:
        what = f"the single label {next(iter(present))}" if present else "no label that counts"
        raise BadData(f"all masks together hold {what}", "Add masks that show what is to be found.")
    problems = Problems()
    for labels, place in zip(found, where, strict=True):
        if outside := labels - known:
            problems.add(f"{place} holds the labels {_listed(outside)}")
    problems.check(
        f"data.classNames names the labels 0 to {len(names or ()) - 1}: name more classes, correct the "
        "masks, or set data.ignoreLabel."
    )


def _name(value: int) -> str:
    return BACKGROUND if value == 0 else str(value)


def _listed(labels: Set[int]) -> str:
    shown = ", ".join(map(str, sorted(labels)[:10]))
    return shown + (f" and {len(labels) - 10} more" if len(labels) > 10 else "")

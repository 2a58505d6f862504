"""Which samples train, validate and test: as the data assign them, or else by the seed."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from trainingrun_api.training import DataConfig
from trainingrun_trainer.errors import BadConfig, BadData

Indices = npt.NDArray[np.int64]
SPLITS = ("train", "val", "test")

WORDS: Mapping[str, str] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of the splits that tools use."""


def given(assigned: Sequence[str]) -> dict[str, Indices]:
    """The samples of each split, by the split of each sample; only splits that are not empty."""
    names = np.array(assigned)
    splits = {split: np.flatnonzero(names == split).astype(np.int64) for split in SPLITS}
    return {split: indices for split, indices in splits.items() if len(indices)}


def assigned(names: Sequence[str | None], config: DataConfig, seed: int) -> dict[str, Indices]:
    """The splits that a format assigns. Where it assigns none, or train without val, the seed cuts them.

    Raises:
        BadData: there are fewer samples than splits.
    """
    known = [name for name in names if name]
    if len(known) < len(names):
        return random(len(names), config, seed)
    splits = given(known)
    if "train" in splits and "val" not in splits:
        cut = random(len(splits["train"]), config.model_copy(update={"test_split": 0.0}), seed)
        splits |= {name: splits["train"][indices] for name, indices in cut.items()}
    return splits


def random(count: int, config: DataConfig, seed: int) -> dict[str, Indices]:
    """Splits by data.validationSplit and data.testSplit, the same for the same seed, whatever the machine.

    Raises:
        BadData: there are fewer samples than splits.
    """
    needed = 3 if config.test_split else 2
    if count < needed:
        raise BadData(f"{count} samples are too few for {needed} splits", "Add samples.")
    order = np.random.default_rng(seed).permutation(count)
    test = min(max(1, round(count * config.test_split)), count - 2) if config.test_split else 0
    validation = min(max(1, round(count * config.validation_split)), count - test - 1)
    parts = {
        "train": order[validation + test :],
        "val": order[:validation],
        "test": order[validation : validation + test],
    }
    return {split: np.sort(indices).astype(np.int64) for split, indices in parts.items() if len(indices)}


def stratified(
    labels: Indices, classes: Sequence[str], validation_share: float, test_share: float, seed: int
) -> dict[str, Indices]:
    """Splits in which every class has its share: the same for the same labels and seed, whatever the machine.

    Raises:
        BadConfig: the share of validation images is 0.
        BadData: a class has fewer images than there are splits.
    """
    if validation_share == 0:
        raise BadConfig(
            "data.validationSplit is 0 and no split column says otherwise, so nothing is left to validate on",
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

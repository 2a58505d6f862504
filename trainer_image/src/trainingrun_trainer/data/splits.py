"""Which samples train, validate and test, where a format has no classes to stratify by."""

from collections.abc import Mapping, Sequence

import numpy as np

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data.metadata import SPLITS, Indices
from trainingrun_trainer.errors import BadData

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

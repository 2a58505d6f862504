"""Predictions for files without labels: how each task reads its files and writes what its network says.

One file a task, which `predict` looks for by the task's name and takes its `PREDICTOR`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trainingrun_api import TrainingConfig


@dataclass(frozen=True)
class Learned:
    """What a task's module must know of the data that it was trained on."""

    classes: tuple[str, ...]
    label_values: tuple[int, ...]
    """The label of each class in mask files; empty where the task has no such files."""


class Predictor(ABC):
    """Reads samples, makes batches of them, and writes predictions below a directory."""

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
    """Of the files that are read, in lower case."""

    def __init__(self, config: TrainingConfig, learned: Learned, out: Path) -> None:
        self.config = config
        self.learned = learned
        self.out = out

    @property
    def batch_size(self) -> int:
        """Samples in a batch."""
        return self.config.data.batch_size

    @abstractmethod
    def read(self, path: Path) -> Any:
        """A sample.

        Raises:
            Unreadable: the file cannot be used; the text goes after its name.
        """

    @abstractmethod
    def batch(self, samples: Sequence[Any]) -> Any:
        """A batch of the task, for `TaskModule.predict_batch`."""

    @abstractmethod
    def write(self, names: Sequence[str], samples: Sequence[Any], predictions: Any) -> None:
        """Take the predictions of a batch; names are those of the files, relative to the data."""

    def close(self) -> None:  # noqa: B027 - most write as they go
        """Write what goes into one file for all samples."""

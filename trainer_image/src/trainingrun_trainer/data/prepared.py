"""A checked data set, whatever the task: what every format makes, once for each node, before training."""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trainingrun_api import TrainingConfig
from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import archive
from trainingrun_trainer.data.sampler import Key
from trainingrun_trainer.data.splits import Indices
from trainingrun_trainer.errors import BadData, ScratchFull

NO_FILE = (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""What the file system says of names that can never be those of files."""


class Batches(Protocol):
    """A data set for torch's DataLoader that makes whole batches from keys of (epoch, index)."""

    def __getitem__(self, key: Key) -> Any: ...

    def __getitems__(self, keys: list[Key]) -> Any:
        """One batch: a tuple (named or not) or dict of tensors and lists, as Lightning moves to a device."""
        ...


@dataclass(frozen=True)
class PreparedData(ABC):
    """A checked data set that every process of the node can open. It is sent between ranks, so large arrays
    lie in files of the scratch directory."""

    classes: tuple[str, ...]
    splits: Mapping[str, Indices]
    """Samples of train, val and perhaps test; only splits that are not empty."""
    digest: str
    """SHA-256 of all that was read: the same data, the same digest, as ZIP and as directory."""

    @abstractmethod
    def batches(self, config: TrainingConfig, *, augmented: bool) -> Batches:
        """The samples as a data set of whole batches; `augmented` ones change by (seed, epoch, index)."""

    def evaluation_batch_size(self, config: TrainingConfig) -> int:
        """Samples in a batch of validation and test."""
        return config.data.batch_size


@contextmanager
def reading(config: DataConfig, scratch: Path) -> Iterator[None]:
    """Says in the user's words what the file system refuses while data are prepared.

    Raises:
        BadData: a file may not be read, or is none.
        ScratchFull: the unpacked data do not fit.
    """
    try:
        yield
    except PermissionError as error:
        raise BadData(
            f"{error.filename} may not be read by user {os.getuid()}",
            "Make the data readable for user and group 1000, or for everybody.",
        ) from error
    except OSError as error:
        if error.errno in NO_FILE:
            raise BadData(
                f"{error.filename} cannot be read: {error.strerror}", "Correct its name, or what names it."
            ) from error
        if error.errno != errno.ENOSPC:
            raise
        raise ScratchFull(
            f"no space is left in {scratch} to unpack {config.path}",
            "Use data.format directory, or nodes with more ephemeral storage.",
        ) from error


def directory(config: DataConfig, scratch: Path, beat: Callable[[], None]) -> Path:
    """The directory of the data: `data.path`, or where the ZIP at it is unpacked in the scratch directory.
    A ZIP may hold them in a folder.

    Raises:
        BadData: the path is neither what `data.format` says nor a ZIP.
    """
    path = Path(config.path)
    zipped = config.format == "zip" or (config.format != "directory" and path.suffix.lower() == ".zip")
    if zipped:
        extracted = scratch / "extracted"
        extracted.mkdir()
        archive.extract(path, extracted, config.limits, beat)
        return archive.root(extracted)
    if not path.is_dir():
        raise BadData(f"data.path {path} is not a directory", "Check the path and the volume mounted there.")
    return path


def agreed(prepared: list[PreparedData]) -> None:
    """Check that all nodes prepared the same data.

    Raises:
        BadData: they did not.
    """
    if len({data.digest for data in prepared}) > 1:
        raise BadData("the nodes see different data at data.path", "Mount the same volume on every node.")


def check_ranks(data: PreparedData, world_size: int) -> None:
    """Check that every rank gets samples of every split.

    Raises:
        BadData: a split has fewer samples than there are ranks.
    """
    for split, indices in data.splits.items():
        if len(indices) < world_size:
            raise BadData(
                f"the {split} split has {len(indices)} images for {world_size} training processes",
                "Lower nodes or processesPerNode, or add images.",
            )

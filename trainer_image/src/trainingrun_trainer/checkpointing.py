"""Checkpoints that are whole or absent: written beside their place, synced, renamed, described by a manifest.

best.ckpt is the best epoch by the monitored metric, last.ckpt the newest one, best_model.pt the bare weights
of the best. A manifest (best.manifest.json) holds SHA-256 and size, so that a reader can tell a damaged file.
"""

import hashlib
import os
import time
from pathlib import Path
from typing import IO, Any, Protocol, cast

import torch
from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from trainingrun_trainer.artifacts import utc_now, write_json
from trainingrun_trainer.atomic import atomic_file
from trainingrun_trainer.metrics import mode

BEST = "best.ckpt"
LAST = "last.ckpt"
BEST_WEIGHTS = "best_model.pt"


class Observer(Protocol):
    """Is told when checkpoints are written."""

    def saving(self) -> None:
        """One is about to be written."""

    def saved(self, seconds: float, step: int) -> None:
        """One is complete: the seconds that it took, and its optimizer step."""


class AtomicCheckpointIO(CheckpointIO):
    """How Lightning writes and reads checkpoint files here."""

    def __init__(self, attempt: int, observer: Observer | None = None) -> None:
        self._attempt = attempt
        self._observer = observer

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        if self._observer:
            self._observer.saving()
        started = time.monotonic()
        target = Path(path)
        with atomic_file(target) as file:
            hashing = _HashingFile(file)
            torch.save(checkpoint, hashing)  # type: ignore[arg-type]
            size = file.tell()
        write_json(
            manifest_path(target),
            {
                "file": target.name,
                "sha256": hashing.digest.hexdigest(),
                "size": size,
                "step": checkpoint["global_step"],
                # finished epochs; checkpoint["epoch"] is the same number at an epoch's end and within it
                "epoch": checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"],
                "attempt": self._attempt,
                "time": utc_now(),
            },
        )
        if self._observer:
            self._observer.saved(time.monotonic() - started, checkpoint["global_step"])

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return load(Path(path))

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        target = Path(path)
        manifest_path(target).unlink(missing_ok=True)
        target.unlink(missing_ok=True)


class _HashingFile:
    """A file for torch.save that hashes what passes through; torch writes its ZIP in one go, without
    seeking."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def load(path: Path) -> dict[str, Any]:
    """A checkpoint, on the CPU, read without running code that it may hold."""
    return cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))


def manifest_path(checkpoint: Path) -> Path:
    """Where the manifest of a checkpoint stands."""
    return checkpoint.with_suffix(".manifest.json")


def callbacks(directory: Path, monitor: str) -> list[ModelCheckpoint]:
    """Lightning's callbacks that keep best.ckpt and last.ckpt, both written at the end of an epoch."""
    return [
        ModelCheckpoint(
            dirpath=directory,
            filename=Path(BEST).stem,
            monitor=monitor,
            mode=mode(monitor),
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        # save_last=True would follow the monitored metric instead of the epochs
        ModelCheckpoint(
            dirpath=directory,
            filename=Path(LAST).stem,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]


def export_weights(module: nn.Module, path: Path) -> None:
    """Write the bare weights of a module."""
    with atomic_file(path) as file:
        torch.save(module.state_dict(), file)

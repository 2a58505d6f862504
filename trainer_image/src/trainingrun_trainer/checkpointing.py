"""Writes checkpoints so that at whatever moment a writer dies, the newest complete one is there and can be
told.

The files and their manifests are those of `checkpoint_files`. A new last.ckpt comes in this order, each step
atomic:

1. the new file, whole, under another name
2. previous.manifest.json := the one of last.ckpt
3. last.manifest.json := the one of the new file
4. last.ckpt -> previous.ckpt
5. the new file -> last.ckpt

Only then come best.ckpt and epoch-<n>.ckpt, and what they replace goes last: at each moment last.ckpt is, or
finds beside it, each of the best epochs that it speaks of.
"""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from lightning_fabric.plugins import CheckpointIO
from torch import nn

from trainingrun_trainer.artifacts import as_json, utc_now
from trainingrun_trainer.checkpoint_files import (
    BEST,
    LAST,
    PREVIOUS,
    CheckpointFiles,
    Manifest,
    Stored,
    dumps,
    epoch_file,
    manifest_path,
)
from trainingrun_trainer.fence import Fence
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.patience import patiently
from trainingrun_trainer.ranking import BestCheckpoint

CHUNK = 32 * 2**20
"""Bytes between two signs of life of a slow volume."""


class Observer(Protocol):
    """Is told of saves on rank 0."""

    def saving(self) -> None:
        """A checkpoint is about to be written."""

    def written(self) -> None:
        """Some bytes of it are on the volume."""

    def saved(self, seconds: float, step: int) -> None:
        """It is complete: the seconds that it held training up, and its optimizer step."""

    def not_saved(self) -> None:
        """It could not be written; training goes on."""


class CheckpointStore(CheckpointIO):
    """Writes the checkpoint files of a run for Lightning, and lends it the one that it goes on from."""

    def __init__(
        self, directory: Path, fence: Fence, observer: Observer | None = None, *, top_k: int = 1
    ) -> None:
        """Args: top_k: how many best epochs are kept; above one each has a file of its own."""
        self.files = CheckpointFiles(directory)
        self._directory = directory
        self._fence = fence
        self._observer = observer
        self._top_k = top_k
        self._last: Manifest | None = None
        """Of last.ckpt, once it is known to be whole."""
        self._pending: dict[int, tuple[Manifest, bytes, bool]] = {}
        """By step what could not be written yet of the best epochs, and whether it was the best of all."""
        self._unsaved: tuple[Manifest, bytes] | None = None
        """The newest last.ckpt, where it could not be written."""
        self._ranking: Sequence[BestCheckpoint] = ()
        """The best epochs so far, where each has a file of its own."""
        self._loaded: dict[str, Any] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write last.ckpt, and best.ckpt alike where the path names it.

        Training survives a volume that cannot be written: the next save tries again, and the best epochs are
        kept in memory until then. They are written before any later last.ckpt, so that no checkpoint on the
        volume speaks of a best one that is lost.

        Args:
            checkpoint: what is saved.
            path: whose name is LAST or BEST.
            storage_options: at the end of an epoch the BestCheckpoints so far, best first.

        Raises:
            Fenced: a later attempt has begun.
        """
        assert self._observer is not None
        self._observer.saving()
        started = time.monotonic()
        content = dumps(checkpoint)
        manifest = Manifest(
            file=LAST,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            step=checkpoint["global_step"],
            # finished epochs; checkpoint["epoch"] is the same number at an epoch's end and within it
            epoch=checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"],
            attempt=self._fence.attempt,
            time=utc_now(),
        )
        best = Path(path).name == BEST
        if storage_options and self._top_k > 1:
            self._ranking = storage_options
        kept = {epoch.step for epoch in self._ranking}
        keep = best or (storage_options is not None and manifest.step in kept)
        if keep:
            self._pending = {step: content for step, content in self._pending.items() if step in kept}
        self._unsaved = manifest, content
        try:
            self._write_pending()
            self._write_unsaved()
            if keep:
                self._keep(manifest, content, best=best)
            if self._ranking:
                self._remove_all_but(self._ranking)
        except OSError as error:
            LOGGER.warning("the checkpoint of step %d could not be written: %s", manifest.step, error)
            if keep:
                self._pending[manifest.step] = manifest, content, best
            self._observer.not_saved()
            return
        self._observer.saved(time.monotonic() - started, manifest.step)

    def settle(self, wait: Callable[[], None]) -> None:
        """Write what is still to be written, and wait for the volume some minutes if need be.

        Raises:
            OSError: the best checkpoint or the last one cannot be written.
        """

        def write() -> None:
            self._write_pending()
            if saved := self._write_unsaved():
                assert self._observer is not None
                self._observer.saved(0.0, saved.step)
            if self._ranking:
                self._remove_all_but(self._ranking)

        patiently(write, wait)

    def newest(self) -> tuple[Stored | None, list[str]]:
        """Like `CheckpointFiles.newest`; what is written from now on follows it."""
        found, damaged = self.files.newest()
        self._last = found.manifest if found and found.path.name == LAST else None
        return found, damaged

    def arrange(self, best: Sequence[BestCheckpoint], stored: Stored) -> None:
        """Let the files be those of the best epochs, each of which is held or `stored` itself. Where there is
        none, `stored` becomes best.ckpt."""

        def held(epoch: BestCheckpoint, name: str) -> Stored:
            return stored if epoch.step == stored.manifest.step else self.files.stored(name)

        if self._top_k > 1:
            for epoch in best:
                if not self.files.holds_epoch(epoch):
                    own = held(epoch, BEST)
                    self._write_epoch(own.manifest, own.content, own.path.name)
            self._remove_all_but(best)
        first = best[0] if best else None
        if first is None or not self.files.holds_best(first.step):
            own = held(first, epoch_file(first.epoch)) if first else stored
            self._write_best(own.manifest, own.content)

    def lend(self, checkpoint: dict[str, Any]) -> None:
        """Let Lightning load this one, whatever path it asks for."""
        self._loaded = checkpoint

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        loaded, self._loaded = self._loaded, None
        assert loaded is not None
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        raise NotImplementedError("checkpoints replace each other")

    def _write_pending(self) -> None:
        for step, (manifest, content, best) in sorted(self._pending.items()):
            self._keep(manifest, content, best=best)
            del self._pending[step]

    def _write_unsaved(self) -> Manifest | None:
        if self._unsaved is None:
            return None
        manifest, content = self._unsaved
        self._write_last(manifest, content)
        self._unsaved = None
        return manifest

    def _keep(self, manifest: Manifest, content: bytes, *, best: bool) -> None:
        if best:
            self._write_best(manifest, content)
        if self._top_k > 1:
            last = self._last is not None and self._last.sha256 == manifest.sha256
            self._write_epoch(manifest, content, BEST if best else LAST if last else None)

    def _write_last(self, manifest: Manifest, content: bytes) -> None:
        def make_way() -> None:
            if self._last:
                self._describe(replace(self._last, file=PREVIOUS))
            self._describe(manifest)
            if self._last:
                self._fence.check()
                self._last = None
                (self._directory / LAST).replace(self._directory / PREVIOUS)

        self._write(self._directory / LAST, content, make_way)
        self._last = manifest

    def _write_best(self, manifest: Manifest, content: bytes) -> None:
        best = replace(manifest, file=BEST)
        self._write(self._directory / BEST, content, lambda: self._describe(best))

    def _write_epoch(self, manifest: Manifest, content: bytes, twin: str | None = None) -> None:
        """Args: twin: a file of the same content."""
        own = replace(manifest, file=epoch_file(manifest.epoch))
        path = self._directory / own.file
        if not (twin and self._fence.link(self._directory / twin, path, lambda: self._describe(own))):
            self._write(path, content, lambda: self._describe(own))

    def _remove_all_but(self, best: Sequence[BestCheckpoint]) -> None:
        kept = {epoch_file(epoch.epoch) for epoch in best}
        for path in self._directory.glob(epoch_file("*")):
            if path.name not in kept:
                self._fence.check()
                path.unlink(missing_ok=True)
                manifest_path(path).unlink(missing_ok=True)

    def _write(self, path: Path, content: bytes, make_way: Callable[[], None]) -> None:
        view = memoryview(content)
        with self._fence.file(path, make_way) as file:
            for start in range(0, len(view), CHUNK):
                file.write(view[start : start + CHUNK])
                file.flush()
                os.fdatasync(file.fileno())
                if self._observer:
                    self._observer.written()

    def _describe(self, manifest: Manifest) -> None:
        with self._fence.file(manifest_path(self._directory / manifest.file)) as file:
            file.write(as_json(asdict(manifest)))


def export_weights(module: nn.Module, path: Path, fence: Fence) -> None:
    """Write the bare weights of a module."""
    with fence.file(path) as file:
        file.write(dumps(module.state_dict()))

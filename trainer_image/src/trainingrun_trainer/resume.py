"""From the checkpoint files of earlier attempts to the state that every rank goes on from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from trainingrun_trainer.checkpointing import BEST, CheckpointStore, Manifest, Stored, loads
from trainingrun_trainer.data.sampler import Position
from trainingrun_trainer.distributed import Ranks, on_rank_0
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.patience import patiently
from trainingrun_trainer.progress import Progress

STATE = "trainingrun"
"""Where a Lightning checkpoint holds SavedState."""


@dataclass(frozen=True)
class Identity:
    """What must be the same for a restart to be exact."""

    seed: int
    world_size: int
    data_sha256: str


@dataclass(frozen=True)
class BestCheckpoint:
    """An epoch by the monitored metric."""

    value: float
    epoch: int
    """Counted from 1."""
    step: int


@dataclass(frozen=True)
class SavedState:
    """What this trainer adds to Lightning's checkpoints."""

    position: Position
    identity: Identity
    random: list[dict[str, torch.Tensor]]
    """By rank."""
    best: BestCheckpoint | None
    """The best epoch so far: best.ckpt holds it, or this checkpoint is of it."""
    latest: BestCheckpoint | None
    """The last finished epoch."""
    should_stop: bool
    """Whether training stops early, here."""

    @classmethod
    def from_checkpoint(cls, checkpoint: dict[str, Any]) -> "SavedState":
        """What `on_save_checkpoint` of the keeper put there."""
        state = checkpoint[STATE]
        best, latest = state["best"], state["latest"]
        return cls(
            position=Position(**state["position"]),
            identity=Identity(**state["identity"]),
            random=state["random"],
            best=BestCheckpoint(**best) if best else None,
            latest=BestCheckpoint(**latest) if latest else None,
            should_stop=state["should_stop"],
        )


@dataclass(frozen=True)
class Resumed:
    """Where an attempt begins."""

    manifest: Manifest | None = None
    """Of the checkpoint that the store lends to Lightning; None for a fresh start."""
    path: str | None = None
    exact: bool = True
    """Whether it goes on bit for bit."""
    damaged: int = 0
    """Checkpoint files that were skipped."""


@dataclass(frozen=True)
class _Chosen:
    stored: Stored | None
    damaged: list[str]
    best_lost: bool = False


def resume(store: CheckpointStore, ranks: Ranks, identity: Identity, wait: Callable[[], None]) -> Resumed:
    """Pick the newest whole checkpoint. Every rank calls it, and all load the same bytes: a network volume
    may show another rank an older file."""
    chosen = on_rank_0(ranks, lambda: _choose(store, wait))
    damaged = len(chosen.damaged)
    if chosen.stored is None:
        return Resumed(damaged=damaged)
    manifest = chosen.stored.manifest
    checkpoint = loads(chosen.stored.content)
    if chosen.best_lost:
        _forget_best(checkpoint)
    saved = SavedState.from_checkpoint(checkpoint).identity
    if ranks.rank == 0:
        LOGGER.info("resuming from %s: step %d, epoch %d", chosen.stored.path, manifest.step, manifest.epoch)
        for difference in _differences(saved, identity):
            LOGGER.warning("not bit-exact: %s", difference)
    store.lend(checkpoint)
    return Resumed(manifest, str(chosen.stored.path), saved == identity, damaged)


def _choose(store: CheckpointStore, wait: Callable[[], None]) -> _Chosen:
    stored, damaged = store.newest()
    for name in damaged:
        LOGGER.warning("%s is damaged: no manifest describes it; it is skipped", name)
    if stored is None:
        return _Chosen(None, damaged)
    best = SavedState.from_checkpoint(loads(stored.content)).best
    if best is None or store.holds_best(best.step):
        return _Chosen(stored, damaged)
    # the writer died between last.ckpt and best.ckpt, or best.ckpt was damaged since
    patiently(lambda: store.copy_to_best(stored), wait)
    if best.step == stored.manifest.step:
        return _Chosen(stored, damaged)
    LOGGER.warning("%s of epoch %d is lost; the best of the later epochs will replace it", BEST, best.epoch)
    return _Chosen(stored, damaged, best_lost=True)


def _forget_best(checkpoint: dict[str, Any]) -> None:
    """Take the checkpoint itself for the best one if an epoch ends there, else the next epoch."""
    latest = checkpoint[STATE]["latest"]
    best = latest if latest and latest["step"] == checkpoint["global_step"] else None
    checkpoint[STATE]["best"] = best
    progress = checkpoint["callbacks"][Progress.__qualname__]
    progress["best"] = best and {"value": best["value"], "epoch": best["epoch"]}


def _differences(saved: Identity, identity: Identity) -> list[str]:
    found = []
    if saved.world_size != identity.world_size:
        found.append(f"{identity.world_size} processes go on from a checkpoint of {saved.world_size}")
    if saved.data_sha256 != identity.data_sha256:
        found.append("the data changed since the checkpoint")
    return found


def is_unfinished(loops: dict[str, Any]) -> bool:
    """Whether the state of the fit loop is of an epoch that has begun and not ended."""
    epochs = loops["epoch_progress"]["current"]
    return bool(epochs["ready"] > epochs["processed"])


def place(loops: dict[str, Any], *, batches: int, of: int) -> None:
    """Let Lightning's loops go on after some batches of an unfinished epoch, before its validation after all.

    Left alone they would skip the validation of an epoch whose last batch was just trained. Lightning counts
    what is ready, started, processed and completed, and tells from the differences where it stopped.

    Args:
        loops: the state of the fit loop, changed in place; that of a finished epoch stays as it is.
        batches: training batches of the epoch that are done.
        of: training batches of an epoch.
    """
    if not is_unfinished(loops):
        return
    progress = loops["epoch_loop.batch_progress"]
    progress["current"] = _all(batches)
    progress["total"] = _all(progress["total"]["ready"])
    progress["is_last_batch"] = batches == of
    # a validation that was begun, of which nothing is done
    validation = loops["epoch_loop.val_loop.batch_progress"]
    validation["current"] = _all(0)
    validation["total"] = {**_all(0), "ready": 1, "started": 1}
    validation["is_last_batch"] = False


def _all(count: int) -> dict[str, int]:
    return dict.fromkeys(("ready", "started", "processed", "completed"), count)

"""When checkpoints are saved and what is in them: all that a restart needs to go on bit for bit.

Lightning saves weights, optimizer, callbacks and the counters of its loops. Here come the position in the
data, the random numbers of every rank, the best epoch, and whether training is to stop. Ranks vote after each
step, so that all save, or stop, at the same one.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from trainingrun_api import names
from trainingrun_trainer import resume, rng
from trainingrun_trainer.checkpoint_files import BEST, LAST
from trainingrun_trainer.data.module import DataModule
from trainingrun_trainer.distributed import any_rank, of_all_ranks
from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted
from trainingrun_trainer.interruption import StopSignal
from trainingrun_trainer.ranking import BestCheckpoint, ranked
from trainingrun_trainer.resume import Identity, SavedState

DEFAULT_SECONDS = 300


@dataclass(frozen=True)
class Schedule:
    """When checkpoints within an epoch are due."""

    seconds: float | None = DEFAULT_SECONDS
    """After the last one ended."""
    steps: int | None = None
    """At each multiple of so many optimizer steps."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Schedule":
        """Read the operator's settings; 0 seconds or steps mean never."""
        seconds = float(environment.get(names.ENV_CHECKPOINT_SECONDS, DEFAULT_SECONDS))
        steps = int(environment.get(names.ENV_CHECKPOINT_STEPS, "0"))
        return cls(seconds or None, steps or None)

    def due(self, step: int, seconds: float) -> bool:
        """Whether one is due after a step, so many seconds after the last one."""
        return (self.seconds is not None and seconds >= self.seconds) or (
            self.steps is not None and step % self.steps == 0
        )


class CheckpointKeeper(Checkpoint):
    """Saves within epochs, at their ends and on SIGTERM; restores what Lightning does not.

    Lightning calls a Checkpoint after all other callbacks, so what they learned from an epoch is saved with
    it.
    """

    def __init__(
        self,
        directory: Path,
        loaders: DataModule,
        stop: StopSignal,
        schedule: Schedule,
        *,
        monitor: str,
        top_k: int,
        identity: Identity,
        rank: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._loaders = loaders
        self._stop = stop
        self._schedule = schedule
        self._monitor = monitor
        self._top_k = top_k
        self._identity = identity
        self._rank = rank
        self._clock = clock
        self.best: list[BestCheckpoint] = []
        """The best epochs so far, best first."""
        self._latest: BestCheckpoint | None = None
        self._resumed: SavedState | None = None
        self._saved_step = 0
        self._saved_at = clock()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop.deferred = True
        self._saved_at = self._clock()
        if self._resumed:
            self._restore_random_numbers(self._resumed, trainer)
            self._resumed = None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_together(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.fit_loop._should_accumulate():
            self._vote(trainer)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        # weights and random numbers are those after the last training batch, and validation begins anew
        if trainer.state.fn == TrainerFn.FITTING and batch_idx < self._loaders.common_val_batches:
            self._vote(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        value = float(trainer.callback_metrics[self._monitor])
        self._latest = BestCheckpoint(value, trainer.current_epoch + 1, trainer.global_step)
        self.best = ranked(self.best, self._latest, self._monitor, self._top_k)
        self._save(trainer, BEST if self.best[0] is self._latest else LAST, self.best)
        self._stop_together(trainer)

    def _stop_together(self, trainer: pl.Trainer) -> None:
        """Right after a save, stop if any rank is to."""
        (stop,) = any_rank(self._stop.received)
        if stop:
            self._leave(trainer)

    def _vote(self, trainer: pl.Trainer) -> None:
        step = trainer.global_step
        due = self._rank == 0 and step > self._saved_step and self._schedule.due(step, self._seconds)
        stop, due = any_rank(self._stop.received, due)
        if stop or due:
            self._save(trainer, LAST)
        if stop:
            self._leave(trainer)

    @property
    def _seconds(self) -> float:
        return self._clock() - self._saved_at

    def _save(self, trainer: pl.Trainer, name: str, ranking: Sequence[BestCheckpoint] | None = None) -> None:
        trainer.save_checkpoint(self._directory / name, weights_only=False, storage_options=ranking)
        self._saved_step, self._saved_at = trainer.global_step, self._clock()

    def _leave(self, trainer: pl.Trainer) -> None:
        raise Interrupted(f"stopped by SIGTERM after step {trainer.global_step}", STOPPED_ADVICE)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        loops = checkpoint["loops"]["fit_loop"]
        finished = loops["epoch_progress"]["current"]["processed"]
        batches = loops["epoch_loop.batch_progress"]["current"]["ready"] if resume.is_unfinished(loops) else 0
        checkpoint[resume.STATE] = asdict(
            SavedState(
                position=self._loaders.train_batches.position(finished, batches),
                identity=self._identity,
                random=of_all_ranks(rng.capture(trainer.strategy.root_device)),
                best=self.best,
                latest=self._latest,
                should_stop=trainer.should_stop,
            )
        )

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = SavedState.from_checkpoint(checkpoint)
        self._loaders.go_on_from(state.position)
        batches = self._loaders.train_batches
        resume.place(checkpoint["loops"]["fit_loop"], batches=batches.taken(state.position), of=len(batches))
        trainer.should_stop = state.should_stop
        self.best, self._latest = state.best, state.latest
        self._saved_step = checkpoint["global_step"]
        self._resumed = state

    def _restore_random_numbers(self, state: SavedState, trainer: pl.Trainer) -> None:
        if state.identity.world_size == self._identity.world_size:
            rng.restore(state.random[self._rank], trainer.strategy.root_device)
        else:
            rng.reseed(self._identity.seed, self._saved_step, self._rank)

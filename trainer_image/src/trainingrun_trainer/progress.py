"""Follows Lightning's loop on rank 0 and tells its audiences: metrics port, run directory, log."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl

from trainingrun_api import log_line
from trainingrun_api.status import Best, Checkpoint, Metric
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_api.termination import TerminationMessage
from trainingrun_trainer.artifacts import Record, RunDirectory, finite, utc_now
from trainingrun_trainer.checkpoint_files import LAST, Manifest
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.metrics import is_better, most_telling
from trainingrun_trainer.pace import Pace
from trainingrun_trainer.telemetry import BestEpoch, Telemetry
from trainingrun_trainer.tensorboard_log import TensorBoardLog

DIGITS = ".6g"
"""Significant digits of a metric in a message."""
EPOCH = "epoch"
"""Key of an epoch in its line of the log, where that is JSON."""


@dataclass(frozen=True)
class SavedCheckpoint:
    """The newest complete checkpoint."""

    step: int
    epoch: int
    time: str


class Progress(pl.Callback):
    """Records epochs. Costs a few clock readings a step. Lightning saves and restores its state."""

    def __init__(
        self,
        directory: RunDirectory,
        telemetry: Telemetry,
        heartbeat: Heartbeat,
        *,
        monitor: str,
        total_epochs: int,
        train_images: int,
        tensorboard: TensorBoardLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epochs: list[Record] = []
        self.best: BestEpoch | None = None
        self._directory = directory
        self._telemetry = telemetry
        self._heartbeat = heartbeat
        self._monitor = monitor
        self._train_images = train_images
        self._tensorboard = tensorboard
        self._clock = clock
        self._total_epochs = total_epochs
        self._phase_before_save = heartbeat.phase
        self._useful_at_save = self._useful_saved = 0.0
        self._checkpoint: SavedCheckpoint | None = None
        self._scores: dict[str, float] = {}
        self._pace = Pace(clock)
        self._epoch_started = self._training_ended = clock()

    def state_dict(self) -> dict[str, Any]:
        """What a later attempt goes on from. Seconds are those that are in the result at this checkpoint."""
        now = self._clock()
        return {
            "epochs": [dict(epoch) for epoch in self.epochs],
            "best": self.best and {"value": self.best.value, "epoch": self.best.epoch},
            "scores": self._scores,
            # of the finished epochs at the present pace; 0 where that is unknown
            "seconds": (self._pace.seconds_per_epoch or 0.0) * len(self.epochs),
            "epoch_seconds": now - self._epoch_started,
            "useful_seconds": self._heartbeat.useful_seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        now = self._clock()
        self.epochs = list(state_dict["epochs"])
        self.best = BestEpoch(**state_dict["best"]) if state_dict["best"] else None
        self._scores = state_dict["scores"]
        self._useful_saved = state_dict["useful_seconds"]
        if self.epochs and state_dict["seconds"]:
            self._pace.go_on(state_dict["seconds"] / len(self.epochs))
        # as if training had never stopped
        self._epoch_started = now - state_dict["epoch_seconds"]
        self._heartbeat.restore(self._useful_saved)
        if self._tensorboard:
            self._tensorboard.go_on_after(len(self.epochs))

    def resumed(self, manifest: Manifest | None, *, exact: bool, damaged: int) -> None:
        """The attempt goes on from a checkpoint, or begins anew."""
        self._telemetry.resumed(manifest.step if manifest else 0, exact=exact, damaged=damaged)
        if manifest:
            self._checkpoint = SavedCheckpoint(manifest.step, manifest.epoch, manifest.time)
            self._heartbeat.saved(manifest.step)

    def finished(self, epochs: list[dict[str, Any]], results: Mapping[str, Any]) -> None:
        """An earlier attempt trained these epochs to these results, as they stand in JSON: None is NaN."""
        last, best = epochs[-1], epochs[results["best_epoch"] - 1]
        self.epochs = list(epochs)
        value = best[self._monitor]
        self.best = BestEpoch(float("nan") if value is None else float(value), results["best_epoch"])
        self._scores = {
            name: float(value)
            for name, value in last.items()
            if name.startswith(("train_", "val_")) and value is not None
        }
        self._heartbeat.stepped(int(last["global_step"]))
        self._heartbeat.restore(float(results["training_time"]))
        self._show_test(
            of_test({name: value for name, value in results["scores"].items() if value is not None})
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._telemetry.plan(
            epochs=self._total_epochs,
            steps=int(trainer.estimated_stepping_batches),
            done=len(self.epochs),
            monitor=self._monitor,
            seconds_per_epoch=self._pace.seconds_per_epoch,
        )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._epoch_started = self._clock()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._pace.batch_done(batch_idx)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._training_ended = self._clock()
        self._pace.training_done()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        now = self._clock()
        epoch = trainer.current_epoch + 1
        scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
        value = scores[self._monitor]
        if self.best is None or is_better(value, self.best.value, self._monitor):
            self.best = BestEpoch(value, epoch)
        self._scores = scores
        self._pace.epoch_done(int(trainer.num_training_batches))
        samples_per_second = self._train_images / (self._training_ended - self._epoch_started)
        learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        self.epochs.append(
            {
                "epoch": epoch,
                "global_step": trainer.global_step,
                **scores,
                "learning_rate": learning_rate,
                "seconds": round(now - self._epoch_started, 3),
                "samples_per_second": round(samples_per_second, 3),
                "time": utc_now(),
            }
        )
        self._write_metrics()
        if self._tensorboard:
            self._tensorboard.write(epoch, self.epochs[-1])
        self._telemetry.epoch(
            epoch=epoch,
            metrics=scores,
            monitor=self._monitor,
            best=self.best,
            seconds_per_epoch=self._pace.seconds_per_epoch,
            samples_per_second=samples_per_second,
            learning_rate=learning_rate,
        )
        LOGGER.info(
            "epoch %d/%d  %.1f s  %.0f images/s  lr %.2g  %s  %s %.4f (best %.4f in epoch %d)",
            epoch,
            self._total_epochs,
            now - self._epoch_started,
            samples_per_second,
            learning_rate,
            "  ".join(f"{name} {scores[name]:.4f}" for name in ("train_loss", "val_loss") if name in scores),
            self._monitor,
            value,
            self.best.value,
            self.best.epoch,
            extra={log_line.FIELDS: {EPOCH: finite(self._told(scores))}},
        )

    def _told(self, scores: Mapping[str, float]) -> Record:
        """The last epoch as in metrics.json, with the most telling of its scores."""
        told = most_telling(scores, self._monitor, log_line.MOST_SCORES)
        return {name: value for name, value in self.epochs[-1].items() if name in told or name not in scores}

    def _write_metrics(self) -> None:
        try:
            self._directory.write_metrics(self.epochs)
        except OSError as error:  # the next epoch writes all again
            LOGGER.warning("metrics.json could not be written: %s", error)

    @property
    def early_stopped(self) -> bool:
        """Whether training ended before the planned epochs, once it has ended well."""
        return len(self.epochs) < self._total_epochs

    def saving(self) -> None:
        """A checkpoint is about to be written."""
        self._phase_before_save = self._heartbeat.phase
        self._useful_at_save = self._heartbeat.useful_seconds
        self._heartbeat.enter(TrainerPhase.CHECKPOINTING)

    def written(self) -> None:
        """Some bytes of a checkpoint are on the volume."""
        self._heartbeat.beat()

    def saved(self, seconds: float, step: int) -> None:
        """A checkpoint is complete."""
        self._checkpoint = SavedCheckpoint(step, len(self.epochs), utc_now())
        self._telemetry.checkpoint(seconds, step)
        self._useful_saved = self._useful_at_save
        self._heartbeat.saved(step)
        self._heartbeat.enter(self._phase_before_save)

    def not_saved(self) -> None:
        """A checkpoint could not be written."""
        self._telemetry.checkpoint_failed()
        self._heartbeat.enter(self._phase_before_save)

    def tested(self, scores: Mapping[str, float]) -> None:
        """The best checkpoint has these scores, perhaps of the test split too."""
        test = of_test(scores)
        self._show_test(test)
        if self._tensorboard and self.best and test:
            self._tensorboard.write(self.best.epoch, test)

    def _show_test(self, scores: Mapping[str, float]) -> None:
        self._scores |= scores
        self._telemetry.metrics(scores, self._monitor)

    def message(self, outcome: TerminationMessage) -> TerminationMessage:
        """A termination message completed by how far training came; what was not saved was of no use."""
        completed = outcome.outcome == "completed"
        metrics = most_telling(self._scores, self._monitor)
        checkpoint = self._checkpoint
        rate = self.epochs[-1].get("samples_per_second") if self.epochs else None
        return outcome.model_copy(
            update={
                "epochs": len(self.epochs),
                "total_epochs": self._total_epochs,
                "global_step": self._heartbeat.step,
                "useful_seconds": int(self._heartbeat.useful_seconds if completed else self._useful_saved),
                "samples_per_second": None if rate is None else format(float(rate), DIGITS),
                "early_stopped": self.early_stopped if completed else None,
                "monitor": self._monitor,
                "best": self.best
                and Best(name=self._monitor, value=format(self.best.value, DIGITS), epoch=self.best.epoch),
                "metrics": [
                    Metric(name=name, value=format(value, DIGITS)) for name, value in metrics.items()
                ],
                "checkpoint": checkpoint
                and Checkpoint(
                    step=checkpoint.step,
                    epoch=checkpoint.epoch,
                    time=checkpoint.time,
                    path=str(self._directory.checkpoints / LAST),
                ),
            }
        )


def of_test(scores: Mapping[str, float]) -> dict[str, float]:
    """The scores of the test split."""
    return {name: value for name, value in scores.items() if name.startswith("test_")}

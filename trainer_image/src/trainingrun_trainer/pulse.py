"""Follows Lightning's loops on every rank and says when they move, and in which phase they are."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn

from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer.heartbeat import Heartbeat


class Pulse(pl.Callback):
    """A heartbeat for each batch and each change of phase. Costs some microseconds a step."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._warm = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._heartbeat.stepped(trainer.global_step)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._train()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._heartbeat.stepped(trainer.global_step)
        if not self._warm:
            self._warm = True
            self._train()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        fitting = trainer.state.fn == TrainerFn.FITTING
        self._heartbeat.enter(TrainerPhase.VALIDATING if fitting else TrainerPhase.TESTING)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._heartbeat.beat()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            self._train()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._heartbeat.enter(TrainerPhase.TESTING)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._heartbeat.beat()

    def _train(self) -> None:
        """Compilation may take long up to the first step of a process, also where an epoch was validated
        before it."""
        self._heartbeat.enter(TrainerPhase.TRAINING if self._warm else TrainerPhase.WARMING_UP)

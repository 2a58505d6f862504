"""The half of every task's module that moves weights: optimizer, learning rate, average, freezing.

All that matters between two steps is in the checkpoint, so that a resumed run goes on bit for bit.
"""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.trainer.states import TrainerFn
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from trainingrun_api import TrainingConfig
from trainingrun_trainer.metrics import mode
from trainingrun_trainer.optimization import optimizer as optimizers
from trainingrun_trainer.optimization.average import State, WeightAverage
from trainingrun_trainer.optimization.freezing import Freezer, encoder_of
from trainingrun_trainer.optimization.schedule import learning_rate

PLATEAU_STATE = "plateau"
BASE_RATE = "base_rate"
TRAINING_WEIGHTS = "training_weights"
"""Where there is an average: the state dict of a checkpoint holds that, and here are the weights it is of."""
AVERAGED_STEPS = "averaged_steps"
PREFIX = "network."


class OptimizedModule(pl.LightningModule):
    """Moves the weights of `network` as the config says."""

    network: nn.Module

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.base_rate = config.optimizer.learning_rate
        """The learning rate after warm-up; may be replaced before training begins."""
        self._plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self._freezer: Freezer | None = None
        self._average: WeightAverage | None = None
        self._average_state: tuple[State, int] | None = None

    def setup(self, stage: str) -> None:
        if stage != TrainerFn.FITTING:
            return
        if self.config.data.dimensions == 2 and self.trainer.strategy.root_device.type == "cuda":
            self.network.to(memory_format=torch.channels_last)
        if epochs := self.config.model.freeze_encoder_epochs:
            self._freezer = Freezer(encoder_of(self.network))
            # The others are frozen after DDP and the optimizer took them: both take only what trains by then.
            self._freezer.freeze(epochs >= self.config.max_epochs)

    def train(self, mode: bool = True) -> "OptimizedModule":
        super().train(mode)
        if self._freezer:
            self._freezer.still()
        return self

    def configure_optimizers(self) -> Optimizer:
        clipped = self.config.gradient_clip_norm is not None
        mixed = "mixed" in str(self.trainer.precision)
        optimizer = optimizers.build(
            self.config.optimizer,
            (parameter for parameter in self.parameters() if parameter.requires_grad),
            self.base_rate,
            fused=not (clipped and mixed),
        )
        scheduler = self.config.scheduler
        if scheduler.name == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer,
                mode=mode(self.config.monitor),
                patience=scheduler.patience,
                factor=scheduler.factor,
                min_lr=scheduler.min_learning_rate,
            )
            if self._plateau_state is not None:
                self._plateau.load_state_dict(self._plateau_state)
        return optimizer

    def on_fit_start(self) -> None:
        # here the weights are on their device, and those of a checkpoint are loaded
        if self.config.ema_decay is not None:
            self._average = WeightAverage(self.network, self.config.ema_decay)
            if self._average_state is not None:
                self._average.load(*self._average_state)

    def on_train_start(self) -> None:
        self._freeze()

    def on_train_epoch_start(self) -> None:
        self._freeze()

    def _freeze(self) -> None:
        if self._freezer:
            self._freezer.freeze(self.current_epoch < self.config.model.freeze_encoder_epochs)
            self.train()

    def scaled(self, loss: torch.Tensor, batch_index: int) -> torch.Tensor:
        """The loss of a batch, so that a step's gradient is the mean over its batches: Lightning divides by
        accumulateBatches also where the last step of an epoch has fewer."""
        accumulated, batches = self.config.accumulate_batches, int(self.trainer.num_training_batches)
        first = batch_index - batch_index % accumulated
        return loss * (accumulated / min(accumulated, batches - first))

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        accumulated = self.config.accumulate_batches
        rate = learning_rate(
            self.config.scheduler,
            self.base_rate,
            epoch=epoch,
            step=batch_idx // accumulated,
            steps=-(-int(self.trainer.num_training_batches) // accumulated),
            max_epochs=self.config.max_epochs,
        )
        if rate is not None:
            for group in optimizer.param_groups:
                group["lr"] = rate
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self._average:
            self._average.update()

    def swap_average(self) -> None:
        """Before and after validation, where there is an average: it takes the place of the weights."""
        if self._average and self.trainer.state.fn == TrainerFn.FITTING:
            self._average.swap()

    def on_train_epoch_end(self) -> None:
        # Lightning steps schedulers after it saves checkpoints, which would lose an observation at each
        # restart.
        if self._plateau and self.current_epoch >= self.config.scheduler.warmup_epochs:
            self._plateau.step(float(self.trainer.callback_metrics[self.config.monitor]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[BASE_RATE] = self.base_rate
        if self._plateau:
            checkpoint[PLATEAU_STATE] = self._plateau.state_dict()
        if self._average:
            average, weights = self._average.states()
            checkpoint["state_dict"] |= {PREFIX + name: tensor for name, tensor in average.items()}
            checkpoint[TRAINING_WEIGHTS] = weights
            checkpoint[AVERAGED_STEPS] = self._average.updates

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.base_rate = checkpoint[BASE_RATE]
        # for configure_optimizers and on_fit_start, which come later
        self._plateau_state = checkpoint.get(PLATEAU_STATE)
        if TRAINING_WEIGHTS in checkpoint:
            state, weights = checkpoint["state_dict"], checkpoint[TRAINING_WEIGHTS]
            average = {name: state[PREFIX + name] for name in weights}
            self._average_state = average, checkpoint[AVERAGED_STEPS]
            state |= {PREFIX + name: tensor for name, tensor in weights.items()}

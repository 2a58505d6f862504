"""SIGTERM: all ranks stop at the same step, with a checkpoint, and exit 143.

Lightning's own handler broadcasts inside the signal handler, which deadlocks when the signal reaches only
some ranks (https://github.com/Lightning-AI/pytorch-lightning/issues/20806). So it is taken out, and the ranks
vote each step.
"""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from trainingrun_trainer.distributed import any_rank
from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted


class StopOnSignal(pl.Callback):
    """Raises Interrupted: outside of training at once, in training after a step and a checkpoint of all
    ranks."""

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint
        self._received = False
        self._training = False

    def install(self) -> None:
        """Handle SIGTERM from now on."""
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._received = True
        if not self._training:
            raise Interrupted("stopped by SIGTERM", STOPPED_ADVICE)

    def take_over(self, trainer: pl.Trainer) -> None:
        """Keep Lightning from handling SIGTERM itself. Both names are private: a test watches them."""
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._training = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._training = False
        self._stop_together(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._stop_together(trainer)

    def _stop_together(self, trainer: pl.Trainer) -> None:
        if any_rank(self._received):
            trainer.save_checkpoint(self._checkpoint)
            raise Interrupted(f"stopped by SIGTERM after step {trainer.global_step}", STOPPED_ADVICE)

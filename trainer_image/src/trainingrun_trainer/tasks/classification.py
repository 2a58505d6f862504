"""Image classification, binary and multiclass."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data import preparation
from trainingrun_trainer.data.module import Batch
from trainingrun_trainer.data.normalization import Normalization
from trainingrun_trainer.data.preparation import PreparedData
from trainingrun_trainer.distributed import broadcast, of_all_ranks
from trainingrun_trainer.errors import Diverged
from trainingrun_trainer.losses import ClassificationLoss, balanced_weights, choose_loss, outputs
from trainingrun_trainer.metrics import HEADLINE, ClassificationMetrics, mode
from trainingrun_trainer.models import classifier

PLATEAU_STATE = "plateau"
COUNTED_STATE = "counted"


def prepare(config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None]) -> PreparedData:
    """Prepare the data; see data.preparation."""
    return preparation.prepare(config.data, config.seed, scratch, threads, beat)


def results(scores: Mapping[str, float]) -> dict[str, Any]:
    """The headline scores of the best checkpoint under the names best_accuracy, best_precision, ..."""
    return {f"best_{name}": scores[f"val_{name}"] for name in HEADLINE}


class ClassificationModule(pl.LightningModule):
    """Network, loss, optimizer and scores. Nothing is logged or read back between two epochs."""

    def __init__(self, config: TrainingConfig, data: PreparedData) -> None:
        super().__init__()
        classes = data.metadata.classes
        loss = choose_loss(config.loss, len(classes))
        self._config = config
        self._plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] | None = None
        self.normalization = Normalization(config.data.normalization, config.data.channels)
        self.network = classifier.build(
            config.model,
            outputs=outputs(loss, len(classes)),
            channels=config.data.channels,
            image_size=config.data.image_size,
        )
        balanced = config.loss.class_weights == "balanced"
        self.loss = ClassificationLoss(
            loss, balanced_weights(data.metadata.counts("train")) if balanced else [1.0] * len(classes)
        )
        self.train_metrics = ClassificationMetrics(classes, auroc=False)
        self.val_metrics = ClassificationMetrics(classes)
        self.test_metrics = ClassificationMetrics(classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, (batch, outputs), of uint8 images, (batch, channels, size, size)."""
        images = self.normalization(images)
        if images.is_cuda:
            images = images.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.network(images)
        return logits

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        return self._step(batch, self.train_metrics)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        self._step(batch, self.val_metrics)

    def test_step(self, batch: Batch, batch_index: int) -> None:
        self._step(batch, self.test_metrics)

    def _step(self, batch: Batch, metrics: ClassificationMetrics) -> torch.Tensor:
        logits = self(batch.images)
        losses: torch.Tensor = self.loss(logits, batch.labels)
        metrics.add(losses.detach(), self.loss.probabilities(logits.detach()), batch.labels)
        return losses.mean()

    def on_train_epoch_start(self) -> None:
        self.train_metrics.reset()

    def on_validation_epoch_start(self) -> None:
        self.val_metrics.reset()
        # Batch statistics differ between ranks after a step. Without this each rank would validate another
        # model than the one that rank 0 writes into the checkpoint.
        broadcast(self.network.buffers())

    def on_test_epoch_start(self) -> None:
        self.test_metrics.reset()

    def on_validation_epoch_end(self) -> None:
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._report("train", self.train_metrics)
        self._report("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        self._report("test", self.test_metrics)

    def _report(self, split: str, metrics: ClassificationMetrics) -> None:
        scores = {f"{split}_{name}": value for name, value in metrics.scores().items()}
        # of no other score: recall and the like stay finite whatever becomes of the weights
        loss = f"{split}_loss"
        if split != "test" and not math.isfinite(scores[loss]):
            raise Diverged(
                f"{loss} is {scores[loss]} after epoch {self.current_epoch + 1}",
                "Lower optimizer.learningRate, or set precision to 32-true.",
            )
        self.log_dict(scores)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(
            trained,
            lr=self._config.optimizer.learning_rate,
            weight_decay=self._config.optimizer.weight_decay,
            fused=True,
        )
        scheduler = self._config.scheduler
        if scheduler.name == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer,
                mode=mode(self._config.monitor),
                patience=scheduler.patience,
                factor=scheduler.factor,
            )
            if self._plateau_state is not None:
                self._plateau.load_state_dict(self._plateau_state)
        return optimizer

    def on_train_epoch_end(self) -> None:
        # Lightning steps schedulers after it saves checkpoints, which would lose an observation at each
        # restart.
        if self._plateau is not None:
            self._plateau.step(float(self.trainer.callback_metrics[self._config.monitor]))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self._plateau is not None:
            checkpoint[PLATEAU_STATE] = self._plateau.state_dict()
        checkpoint[COUNTED_STATE] = of_all_ranks(self.train_metrics.counted())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # for configure_optimizers, which comes later
        self._plateau_state = checkpoint.get(PLATEAU_STATE)
        counted = checkpoint[COUNTED_STATE]
        if len(counted) == self.trainer.world_size:
            self.train_metrics.count_from(counted[self.trainer.global_rank])
        elif self.trainer.is_global_zero:
            self.train_metrics.count_from(
                {name: torch.stack([rank[name] for rank in counted]).sum(dim=0) for name in counted[0]}
            )

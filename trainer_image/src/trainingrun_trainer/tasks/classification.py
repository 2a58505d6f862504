"""Image classification, binary and multiclass."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data.classification import Batch, ClassifiedImages, prepare
from trainingrun_trainer.data.normalization import Normalization
from trainingrun_trainer.losses import choose, class_weights, outputs
from trainingrun_trainer.losses.classification import ClassificationLoss
from trainingrun_trainer.metrics.classification import HEADLINE, ClassificationMetrics
from trainingrun_trainer.models import classifier, predictors
from trainingrun_trainer.report import drawings
from trainingrun_trainer.tasks.module import Task, TaskModule


def results(scores: Mapping[str, float]) -> dict[str, Any]:
    """The headline scores of the best checkpoint under the names best_accuracy, best_precision, ..."""
    return {f"best_{name}": scores[f"val_{name}"] for name in HEADLINE}


class ClassificationModule(TaskModule):
    """A classifier; see `TaskModule`."""

    train_metrics: ClassificationMetrics
    val_metrics: ClassificationMetrics

    def __init__(self, config: TrainingConfig, data: ClassifiedImages) -> None:
        super().__init__(config)
        classes = data.classes
        loss = choose(config.loss, len(classes))
        self.normalization = Normalization(config.data.normalization, config.data.channels)
        self.network = classifier.build(
            config.model,
            outputs=outputs(loss, len(classes)),
            channels=config.data.channels,
            image_size=config.data.image_size,
            batch_size=config.data.batch_size,
        )
        self.loss = ClassificationLoss(
            loss, class_weights(config.loss, len(classes), lambda: data.counts("train"))
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

    def train_batch(self, batch: Batch) -> torch.Tensor:
        loss, _ = self._count(batch, self.train_metrics)
        return loss

    def evaluate_batch(
        self, batch: Batch, metrics: ClassificationMetrics
    ) -> tuple[torch.Tensor, torch.Tensor]:
        _, probabilities = self._count(batch, metrics)
        return probabilities, batch.labels

    def perfect(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        return functional.one_hot(batch.labels, len(self.loss.weights)).float(), batch.labels

    def _count(self, batch: Batch, metrics: ClassificationMetrics) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self(batch.images)
        losses: torch.Tensor = self.loss(logits, batch.labels)
        probabilities = self.loss.probabilities(logits.detach())
        metrics.add(losses.detach(), probabilities, batch.labels)
        return losses.mean(), probabilities

    def predict_batch(self, batch: Batch) -> torch.Tensor:
        """Probability of each class, (batch, classes)."""
        return self.loss.probabilities(self(batch.images))

    def evidence(self) -> dict[str, torch.Tensor]:
        return self.val_metrics.evidence()


TASK = Task(
    prepare=prepare,
    module=ClassificationModule,
    results=results,
    pictures=drawings.classifications,
    exportable=predictors.classes,
)

"""What all tasks have in common: the order of an epoch, scores, exact resume."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric.utilities import move_data_to_device
from pytorch_lightning.trainer.states import TrainerFn

from trainingrun_api import TrainingConfig
from trainingrun_api.training import MONITORS
from trainingrun_trainer import rng
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.distributed import broadcast, of_all_ranks
from trainingrun_trainer.errors import BadConfig, Diverged
from trainingrun_trainer.exports import Exportable
from trainingrun_trainer.metrics import SplitMetrics
from trainingrun_trainer.metrics.custom import CustomMetrics
from trainingrun_trainer.optimization.module import OptimizedModule
from trainingrun_trainer.report.drawings import Draw
from trainingrun_trainer.work_clock import OWN_STEP

COUNTED_STATE = "counted"


class TaskModule(OptimizedModule):
    """Network, loss, optimizer and scores of one task. Nothing is logged or read back between two epochs.

    A task brings its network, a `SplitMetrics` for each split, and what happens with one batch.
    """

    train_metrics: SplitMetrics
    val_metrics: SplitMetrics
    test_metrics: SplitMetrics

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__(config)
        self.custom_metrics = CustomMetrics(config.metrics.custom)
        monitors = (*MONITORS[config.task], *(f"val_{name}" for name in self.custom_metrics.metrics))
        if config.monitor not in monitors:
            raise BadConfig(f"there is no metric for monitor {config.monitor}", f"Use {', '.join(monitors)}.")

    @abstractmethod
    def train_batch(self, batch: Any) -> torch.Tensor:
        """The loss of a batch, which is also counted in `train_metrics`."""

    @abstractmethod
    def evaluate_batch(self, batch: Any, metrics: Any) -> tuple[Any, Any]:
        """Count a batch of validation or test in the metrics of its split; its predictions and targets, as
        custom metrics take them."""

    @abstractmethod
    def perfect(self, batch: Any) -> tuple[Any, Any]:
        """What `evaluate_batch` would give of a batch if the network were always right."""

    @abstractmethod
    def predict_batch(self, batch: Any) -> Any:
        """What the network says of a batch, in the form that the task's documentation names."""

    def try_custom_metrics(self, data: PreparedData, device: torch.device) -> None:
        """Try them on the first samples of validation. Random numbers go on as if nothing had been done.

        Raises:
            BadConfig: one does not fit the task.
        """
        indices = data.splits["val"].tolist()[: data.evaluation_batch_size(self.config)]
        samples = data.batches(self.config, augmented=False)
        batch = move_data_to_device(samples.__getitems__([(0, index) for index in indices]), device)
        random = rng.capture(device)
        self.custom_metrics.to(device).try_out(*self.perfect(batch))
        rng.restore(random, device)

    def evidence(self) -> dict[str, torch.Tensor]:
        """What the last validation counted beyond its scores, for plots: "confusion" (classes, classes) by
        truth and prediction; "probabilities" (samples, classes) and "labels" (samples,). Every rank must ask
        at the same point."""
        return {}

    def training_step(self, batch: Any, batch_index: int) -> torch.Tensor:
        with self.trainer.profiler.profile(OWN_STEP):  # type: ignore[attr-defined]
            return self.scaled(self.train_batch(batch), batch_index)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        self.custom_metrics.update(*self.evaluate_batch(batch, self.val_metrics))

    def test_step(self, batch: Any, batch_index: int) -> None:
        self.custom_metrics.update(*self.evaluate_batch(batch, self.test_metrics))

    def predict_step(self, batch: Any, batch_index: int) -> Any:
        return self.predict_batch(batch)

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        self.train_metrics.reset()

    def on_validation_epoch_start(self) -> None:
        self.swap_average()
        self.val_metrics.reset()
        self.custom_metrics.reset()
        # Batch statistics differ between ranks after a step. Without this each rank would validate another
        # model than the one that rank 0 writes into the checkpoint.
        broadcast(self.network.buffers())

    def on_test_epoch_start(self) -> None:
        self.test_metrics.reset()
        self.custom_metrics.reset()

    def on_validation_epoch_end(self) -> None:
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._report("train", self.train_metrics)
        self._report("val", self.val_metrics)
        self.swap_average()

    def on_test_epoch_end(self) -> None:
        self._report("test", self.test_metrics)

    def _report(self, split: str, metrics: SplitMetrics) -> None:
        scores = {f"{split}_{name}": value for name, value in metrics.scores().items()}
        # of no other score: recall and the like stay finite whatever becomes of the weights
        loss = f"{split}_loss"
        if split != "test" and not math.isfinite(scores.get(loss, 0.0)):
            raise Diverged(
                f"{loss} is {scores[loss]} after epoch {self.current_epoch + 1}",
                "Lower optimizer.learningRate, or set precision to 32-true.",
            )
        if split != "train":
            scores |= {f"{split}_{name}": value for name, value in self.custom_metrics.scores().items()}
        self.log_dict(scores)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint[COUNTED_STATE] = of_all_ranks(self.train_metrics.counted())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        counted = checkpoint[COUNTED_STATE]
        if len(counted) == self.trainer.world_size:
            self.train_metrics.count_from(counted[self.trainer.global_rank])
        elif self.trainer.is_global_zero:
            self.train_metrics.count_from(
                {name: torch.stack([rank[name] for rank in counted]).sum(dim=0) for name in counted[0]}
            )


class Prepare(Protocol):
    """Checks and prepares the data of a config in an empty scratch directory, with some threads; calls `beat`
    on each movement. Raises BadData, BadConfig or ScratchFull."""

    def __call__(
        self, config: TrainingConfig, scratch: Path, threads: int, beat: Callable[[], None]
    ) -> PreparedData: ...


@dataclass(frozen=True)
class Task:
    """The parts of one task."""

    prepare: Prepare
    module: Callable[[TrainingConfig, Any], TaskModule]
    """Config, prepared data -> module that logs the monitored metric. Raises BadConfig."""
    results: Callable[[Mapping[str, float]], dict[str, Any]]
    """Scores of the best checkpoint -> the task's part of results.json."""
    pictures: Draw
    """Draws samples with their predictions for the report."""
    exportable: Callable[[Any], Exportable]
    """The module's network as other programs use it: pixels in, predictions out."""

"""The loaders of one rank, as Lightning wants them."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch.utils.data import Dataset, Sampler

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data.prefetch import PrefetchingLoader
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.data.sampler import EvaluationBatches, Key, Position, TrainBatches
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.interruption import shield_loader

CPU = torch.device("cpu")


def as_is(batch: Any) -> Any:
    """The data set makes whole batches already."""
    return batch


class DataModule(pl.LightningDataModule):
    """Loaders for the splits of prepared data."""

    def __init__(
        self,
        data: PreparedData,
        config: TrainingConfig,
        ranks: Ranks,
        *,
        num_workers: int,
        device: torch.device = CPU,
    ) -> None:
        super().__init__()
        self._data = data
        self._config = config
        self._ranks = ranks
        self._num_workers = num_workers
        self._device = device
        self.train_batches = self._train_batches(Position())

    def go_on_from(self, position: Position) -> None:
        """Train from a position of an earlier attempt on."""
        self.train_batches = self._train_batches(position)

    def _train_batches(self, start: Position) -> TrainBatches:
        return TrainBatches(
            self._data.splits["train"].tolist(),
            self._config.data.batch_size,
            seed=self._config.seed,
            rank=self._ranks.rank,
            world_size=self._ranks.world_size,
            start=start,
        )

    @property
    def common_val_batches(self) -> int:
        """Validation batches that every rank has; some may have one more."""
        images = len(self._data.splits["val"]) // self._ranks.world_size
        return -(-images // self._data.evaluation_batch_size(self._config))

    def train_dataloader(self) -> PrefetchingLoader:
        return self._loader(self.train_batches, augmented=True)

    def val_dataloader(self) -> PrefetchingLoader:
        return self._evaluation_loader("val")

    def test_dataloader(self) -> PrefetchingLoader:
        return self._evaluation_loader("test")

    def _evaluation_loader(self, split: str) -> PrefetchingLoader:
        batches = EvaluationBatches(
            self._data.splits[split].tolist(),
            self._data.evaluation_batch_size(self._config),
            rank=self._ranks.rank,
            world_size=self._ranks.world_size,
        )
        return self._loader(batches, augmented=False)

    def predict_dataloader(self) -> PrefetchingLoader:
        return self._evaluation_loader("val")

    def _loader(self, batches: Sampler[list[Key]], *, augmented: bool) -> PrefetchingLoader:
        data = self._config.data
        return PrefetchingLoader(
            cast(Dataset[Any], self._data.batches(self._config, augmented=augmented)),
            batch_sampler=batches,
            collate_fn=as_is,
            worker_init_fn=shield_loader,
            num_workers=self._num_workers,
            pin_memory=data.pin_memory and self._device.type == "cuda",
            persistent_workers=data.persistent_workers and self._num_workers > 0,
            prefetch_factor=data.prefetch_factor if self._num_workers else None,
            # its own, because making an iterator draws from the generator that dropout uses otherwise
            generator=torch.Generator().manual_seed(self._config.seed),
            device=self._device,
        )

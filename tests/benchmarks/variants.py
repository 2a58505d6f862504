"""One run of the speed benchmark: the trainer as it is, the trainer with one thing changed, or a bare loop.

    python -m tests.benchmarks.variants VARIANT --config FILE --run-dir DIR

Every run trains the same network on the same data with the same batch size, and prints one line of JSON: the
samples a second of each epoch, seconds until the first batch, and the most memory that was resident. Started
by `trainer_speed`, each in a process of its own.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from trainingrun_api import TrainingConfig
from trainingrun_trainer import __main__ as trainer
from trainingrun_trainer import config as configs
from trainingrun_trainer.data import images
from trainingrun_trainer.data.classification import Batch, ClassifiedImages, ImageDataset, prepare
from trainingrun_trainer.data.module import as_is
from trainingrun_trainer.data.sampler import Key, TrainBatches
from trainingrun_trainer.metrics.classification import ClassificationMetrics
from trainingrun_trainer.tasks.classification import ClassificationModule

STARTED = "BENCHMARK_STARTED"
"""Environment variable with the time at which the process was started."""


class Synthetic:
    """A data set that gives the same pixels for every batch: what remains is the cost of training alone."""

    def __init__(self, real: ImageDataset) -> None:
        self._real = real
        self._made: dict[int, Batch] = {}

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        if len(keys) not in self._made:
            self._made[len(keys)] = self._real.__getitems__(keys)
        return self._made[len(keys)]


def synthetic() -> None:
    """Let no sample be read twice."""
    real = ClassifiedImages.batches

    def batches(data: ClassifiedImages, config: TrainingConfig, *, augmented: bool) -> Any:
        return Synthetic(real(data, config, augmented=augmented))

    ClassifiedImages.batches = batches  # type: ignore[method-assign, assignment]


def decoding() -> None:
    """Let no decoded image be kept, as where they would not fit on the node."""
    images.CACHE_SHARE = 0.0


def uncounted() -> None:
    """Let training count nothing but the loss."""
    count = ClassificationMetrics.add

    def add(
        self: ClassificationMetrics, losses: torch.Tensor, probabilities: torch.Tensor, labels: torch.Tensor
    ) -> None:
        if self.training:
            self["loss"].update(losses.float())
        else:
            count(self, losses, probabilities, labels)

    ClassificationMetrics.add = add  # type: ignore[method-assign]


CHANGES: Mapping[str, Callable[[], None]] = {
    "trainer": lambda: None,
    "synthetic": synthetic,
    "decoding": decoding,
    "uncounted": uncounted,
}


def train(change: Callable[[], None], config: Path, directory: Path) -> list[float]:
    """Run the trainer; samples a second of each epoch."""
    change()
    trainer.main(["--config", str(config), "--run-dir", str(directory)])
    return [epoch["samples_per_second"] for epoch in json.loads((directory / "metrics.json").read_text())]


def bare(config: TrainingConfig) -> list[float]:
    """The same training written by hand: the loop of torch's tutorials, without scores or checkpoints."""
    with tempfile.TemporaryDirectory() as scratch:
        data = prepare(config, Path(scratch), threads=1)
        module = ClassificationModule(config, data)
        network, loss, normalization = module.network.train(), module.loss, module.normalization
        optimizer = torch.optim.AdamW(network.parameters(), lr=config.optimizer.learning_rate, fused=True)
        indices = data.splits["train"].tolist()
        batches = TrainBatches(indices, config.data.batch_size, seed=config.seed, rank=0, world_size=1)
        loader: DataLoader[Batch] = DataLoader(
            data.batches(config, augmented=True),
            batch_sampler=batches,
            collate_fn=as_is,
            num_workers=config.data.num_workers or 0,
        )
        speeds = []
        for epoch in range(config.max_epochs):
            batches.set_epoch(epoch)
            started = time.perf_counter()
            for batch in loader:
                optimizer.zero_grad(set_to_none=True)
                loss(network(normalization(batch.images)), batch.labels).mean().backward()
                optimizer.step()
            speeds.append(len(indices) / (time.perf_counter() - started))
    return speeds


def main(arguments: list[str]) -> None:
    """Run a variant and print its figures."""
    variant, config, directory = arguments[0], Path(arguments[1]), Path(arguments[2])
    parsed = configs.load(config)
    imported = time.time() - float(os.environ[STARTED])
    speeds = bare(parsed) if variant == "bare" else train(CHANGES[variant], config, directory)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"speeds": speeds, "memory": memory, "imported": imported}))


if __name__ == "__main__":
    main(sys.argv[1:])

"""One process of the speed benchmark: the trainer, with what is compared taking turns with it epoch by epoch.

    python -m tests.benchmarks.variants VARIANT CONFIG RUN_DIRECTORY

The speed of a shared machine drifts by more than what is to be told apart, so both sides of a ratio are
measured in turn in one process, on the same network, data and batch size. Prints one line of JSON, a `Told`.
Started by `trainer_speed`, each in a process of its own.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.trainer.states import TrainerFn
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


@dataclass
class Told:
    """What a process measured."""

    speeds: list[float] = field(default_factory=list)
    """Training images a second of each epoch of the trainer."""
    bare: list[float] = field(default_factory=list)
    """The same of the bare loop, whose epochs follow those of the trainer."""
    counting: float = 0.0
    """Share of the training time in which scores were counted."""
    memory: int = 0
    """Most bytes resident."""
    imported: float = 0.0
    """Seconds from the start of the process until all was imported."""


class Alternating:
    """A data set whose odd epochs give the same pixels for every batch: what remains of them is training."""

    def __init__(self, real: ImageDataset) -> None:
        self._real = real
        self._made: dict[int, Batch] = {}

    def __getitem__(self, key: Key) -> Batch:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[Key]) -> Batch:
        if keys[0][0] % 2 == 0:
            return self._real.__getitems__(keys)
        if len(keys) not in self._made:
            self._made[len(keys)] = self._real.__getitems__(keys)
        return self._made[len(keys)]


def alternate() -> None:
    """Let every second epoch read no sample twice."""
    real = ClassifiedImages.batches

    def batches(data: ClassifiedImages, config: TrainingConfig, *, augmented: bool) -> Any:
        return Alternating(real(data, config, augmented=augmented))

    ClassifiedImages.batches = batches  # type: ignore[method-assign, assignment]


def bare_epochs(config: TrainingConfig, scratch: Path) -> Iterator[float]:
    """The same training written by hand, the loop of torch's tutorials without scores or checkpoints.

    Gives the images a second of each epoch.
    """
    data = prepare(config, scratch, threads=1)
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
    for epoch in range(config.max_epochs):
        batches.set_epoch(epoch)
        started = time.perf_counter()
        for batch in loader:
            optimizer.zero_grad(set_to_none=True)
            loss(network(normalization(batch.images)), batch.labels).mean().backward()
            optimizer.step()
        yield len(indices) / (time.perf_counter() - started)


def take_turns(epochs: Iterator[float], told: Told) -> None:
    """Let a bare epoch follow each one of the trainer, whose clock for training has stopped by then."""

    def on_validation_start(self: ClassificationModule) -> None:
        if self.trainer.state.fn != TrainerFn.FITTING:
            return  # the best epoch's scores, after training
        # Lightning validates in inference mode.
        with torch.inference_mode(False), torch.enable_grad():
            told.bare.append(next(epochs))

    ClassificationModule.on_validation_start = on_validation_start  # type: ignore[method-assign, assignment]


def watch_counting() -> list[tuple[int, float]]:
    """Images of each batch of training, and the seconds in which their scores were counted; filled later."""
    count, counted = ClassificationMetrics.add, list[tuple[int, float]]()

    def add(
        self: ClassificationMetrics, losses: torch.Tensor, probabilities: torch.Tensor, labels: torch.Tensor
    ) -> None:
        started = time.perf_counter()
        count(self, losses, probabilities, labels)
        if "auroc" not in self:  # validation counts it, training does not
            counted.append((len(labels), time.perf_counter() - started))

    ClassificationMetrics.add = add  # type: ignore[method-assign]
    return counted


def train(config: Path, directory: Path) -> list[dict[str, Any]]:
    """Run the trainer; its metrics.json."""
    trainer.main(["--config", str(config), "--run-dir", str(directory)])
    epochs: list[dict[str, Any]] = json.loads((directory / "metrics.json").read_text())
    return epochs


def plain(config: Path, directory: Path) -> Told:
    """The trainer alone."""
    return Told([epoch["samples_per_second"] for epoch in train(config, directory)])


def bare(config: Path, directory: Path) -> Told:
    """The bare loop alone."""
    directory.mkdir()
    return Told(list(bare_epochs(configs.load(config), directory)))


def turns(config: Path, directory: Path) -> Told:
    """The trainer and the bare loop in turn."""
    told, parsed = Told(), configs.load(config)
    counted = watch_counting()
    with tempfile.TemporaryDirectory() as scratch:
        take_turns(bare_epochs(parsed, Path(scratch)), told)
        epochs = train(config, directory)
    told.speeds = [epoch["samples_per_second"] for epoch in epochs]
    images_an_epoch = sum(images for images, _ in counted) / len(epochs)
    training = sum(images_an_epoch / speed for speed in told.speeds)
    told.counting = sum(seconds for _, seconds in counted) / training
    return told


def reading(config: Path, directory: Path) -> Told:
    """The trainer, on real pictures and on synthetic ones in turn."""
    alternate()
    return plain(config, directory)


def decoding(config: Path, directory: Path) -> Told:
    """The same where no decoded image is kept, as where they would not fit on the node."""
    images.CACHE_SHARE = 0.0
    return reading(config, directory)


VARIANTS: Mapping[str, Callable[[Path, Path], Told]] = {
    "plain": plain,
    "bare": bare,
    "turns": turns,
    "reading": reading,
    "decoding": decoding,
}


def main(arguments: list[str]) -> None:
    """Run a variant and print what it told."""
    imported = time.time() - float(os.environ[STARTED])
    told = VARIANTS[arguments[0]](Path(arguments[1]), Path(arguments[2]))
    told.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told.imported = imported
    print(json.dumps(asdict(told)))


if __name__ == "__main__":
    main(sys.argv[1:])

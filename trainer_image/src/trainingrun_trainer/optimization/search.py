"""`findLearningRate`: the range test on the data of rank 0, before training begins."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from trainingrun_trainer.data.module import DataModule
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.optimization import optimizer as optimizers
from trainingrun_trainer.optimization import range_test
from trainingrun_trainer.optimization.module import OptimizedModule


def search(
    module: OptimizedModule, trainer: pl.Trainer, loaders: DataModule, beat: Callable[[], None]
) -> float:
    """The rate that the range test finds; where it finds none, that of the config.

    Args:
        module: of a task, not trained yet; left as it was.
        trainer: says on what device and in which precision. 16-mixed is tested in full precision, which
            needs no scaling of the loss.
        beat: called for each batch.
    """
    config = module.config
    module.to(trainer.strategy.root_device)

    def batches() -> Iterator[Any]:
        for batch in endless(loaders):
            beat()
            yield batch

    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    rate = range_test.find(
        module,  # type: ignore[arg-type]  # a task's module has train_batch
        batches(),
        optimizers.build(config.optimizer, trained, range_test.LOWEST, fused=True),
        nullcontext if config.precision == "16-mixed" else trainer.precision_plugin.forward_context,
        clip_norm=config.gradient_clip_norm,
    )
    if rate is None:
        LOGGER.warning(
            "the range test found no learning rate: the loss never fell; training goes on with %.3g",
            config.optimizer.learning_rate,
        )
        return config.optimizer.learning_rate
    LOGGER.info("the range test found learning rate %.3g", rate)
    return rate


def endless(loaders: DataModule) -> Iterator[Any]:
    """Training batches of one epoch after the other."""
    loader: DataLoader[Any] = loaders.train_dataloader()
    epoch = 0
    while True:
        loaders.train_batches.set_epoch(epoch)
        yield from loader
        epoch += 1

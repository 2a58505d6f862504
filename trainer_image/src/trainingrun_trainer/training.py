"""One attempt of a run, in order: prepare -> build -> fit -> evaluate the best checkpoint -> results."""

import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.strategies import DDPStrategy

from trainingrun_api import TrainingConfig, names
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_api.termination import TerminationMessage
from trainingrun_trainer import checkpointing
from trainingrun_trainer.accelerator import (
    Accelerator,
    choose_accelerator,
    choose_precision,
    cpu_limit,
    loader_workers,
    threads,
)
from trainingrun_trainer.artifacts import RunDirectory, config_digest
from trainingrun_trainer.data.module import ImageDataModule
from trainingrun_trainer.data.preparation import PreparedData, agreed, check_ranks
from trainingrun_trainer.distributed import Ranks, broadcast, on_each_node, process_group
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.interruption import StopOnSignal
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.metrics import mode
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.pulse import Pulse
from trainingrun_trainer.tasks import TASKS
from trainingrun_trainer.telemetry import Telemetry

DISTRIBUTION = "trainingrun"


@dataclass
class Attempt:
    """What one process of a run works with."""

    config: TrainingConfig
    directory: RunDirectory
    ranks: Ranks
    heartbeat: Heartbeat
    telemetry: Telemetry
    environment: Mapping[str, str]
    progress: Progress | None = None
    """On rank 0, once training is set up."""
    stop: StopOnSignal = field(init=False)

    def __post_init__(self) -> None:
        self.stop = StopOnSignal(self.directory.checkpoints / checkpointing.LAST)

    @property
    def number(self) -> int:
        """Counted from 1."""
        return int(self.environment.get(names.ENV_ATTEMPT, "1"))

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.ranks.rank == 0

    def message(self, message: TerminationMessage) -> TerminationMessage:
        """A termination message completed by how far training came."""
        return self.progress.message(message) if self.progress else message


def run(attempt: Attempt) -> None:
    """Train to the end. Every rank calls it.

    Raises:
        TrainerError: what a user or the operator must know of.
    """
    config, ranks = attempt.config, attempt.ranks
    gpus_requested = attempt.environment.get(names.ENV_GPUS)
    accelerator = choose_accelerator(
        config.accelerator,
        gpus_requested=None if gpus_requested is None else int(gpus_requested),
        cuda_devices=torch.cuda.device_count() if torch.cuda.is_available() else 0,
        local_world_size=ranks.local_world_size,
    )
    with tempfile.TemporaryDirectory(prefix="trainingrun-") as scratch, process_group(ranks, accelerator):
        if ranks.world_size > 1:
            LOGGER.info("joined the process group as rank %d of %d", ranks.rank, ranks.world_size)
        attempt.heartbeat.enter(TrainerPhase.PREPARING_DATA)
        prepared = on_each_node(ranks, lambda: _prepare(config, Path(scratch)))
        agreed(prepared)
        data = prepared[ranks.node]
        check_ranks(data, ranks.world_size)
        _record_start(attempt, data)
        attempt.heartbeat.enter(TrainerPhase.WARMING_UP)
        _train(attempt, data, accelerator)


def _prepare(config: TrainingConfig, scratch: Path) -> PreparedData:
    return TASKS[config.task].prepare(config, scratch, threads(cpu_limit(), 1))


def _train(attempt: Attempt, data: PreparedData, accelerator: Accelerator) -> None:
    config, ranks, directory = attempt.config, attempt.ranks, attempt.directory
    pl.seed_everything(config.seed, verbose=False)
    module = TASKS[config.task].module(config, data)
    loaders = ImageDataModule(
        data,
        config,
        ranks,
        num_workers=loader_workers(config.data.num_workers, cpu_limit(), ranks.local_world_size),
        pin_memory=config.data.pin_memory and accelerator == "gpu",
    )
    if attempt.leads:
        attempt.progress = Progress(
            directory,
            attempt.telemetry,
            attempt.heartbeat,
            monitor=config.monitor,
            train_images=len(data.metadata.splits["train"]),
        )
    trainer = _trainer(attempt, accelerator)
    # the same weights on every rank, but dropout of its own
    torch.manual_seed(config.seed + ranks.rank)
    started = time.monotonic()
    trainer.fit(module, datamodule=loaders)
    training_time = time.monotonic() - started

    attempt.heartbeat.enter(TrainerPhase.TESTING)
    scores = _evaluate_best(attempt, trainer, module, loaders, has_test="test" in data.metadata.splits)
    if attempt.progress:
        _write_results(attempt, attempt.progress, module, scores, training_time)


def _trainer(attempt: Attempt, accelerator: Accelerator) -> pl.Trainer:
    config, ranks, directory = attempt.config, attempt.ranks, attempt.directory
    callbacks: list[pl.Callback] = [
        Pulse(attempt.heartbeat),
        attempt.stop,
        *checkpointing.callbacks(directory.checkpoints, config.monitor),
    ]
    if attempt.progress:
        callbacks.insert(0, attempt.progress)
    if config.early_stopping.patience:
        callbacks.append(
            EarlyStopping(
                config.monitor,
                mode=mode(config.monitor),
                patience=config.early_stopping.patience,
                min_delta=config.early_stopping.min_delta,
                check_finite=False,
                check_on_train_epoch_end=True,
            )
        )
    trainer = pl.Trainer(
        accelerator=accelerator,
        devices=ranks.local_world_size,
        num_nodes=ranks.nodes,
        strategy=DDPStrategy(gradient_as_bucket_view=True) if ranks.world_size > 1 else "auto",
        precision=choose_precision(
            config.precision, accelerator, bf16=accelerator == "gpu" and torch.cuda.is_bf16_supported()
        ),
        plugins=[
            TorchElasticEnvironment() if ranks.world_size > 1 else LightningEnvironment(),
            checkpointing.AtomicCheckpointIO(attempt.number, attempt.progress),
        ],
        max_epochs=config.max_epochs,
        callbacks=callbacks,
        default_root_dir=directory.path,
        logger=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=attempt.leads and sys.stderr.isatty(),
        benchmark=accelerator == "gpu",
    )
    attempt.stop.take_over(trainer)
    return trainer


def _evaluate_best(
    attempt: Attempt,
    trainer: pl.Trainer,
    module: pl.LightningModule,
    loaders: ImageDataModule,
    *,
    has_test: bool,
) -> dict[str, float]:
    """Scores of best.ckpt by all ranks. Rank 0 alone reads it: a network volume may show others an older
    file."""
    if attempt.leads:
        module.load_state_dict(
            checkpointing.load(attempt.directory.checkpoints / checkpointing.BEST)["state_dict"]
        )
    broadcast(module.state_dict().values())
    scores = dict(trainer.validate(module, datamodule=loaders, verbose=False)[0])
    if has_test:
        scores |= trainer.test(module, datamodule=loaders, verbose=False)[0]
    return scores


def _record_start(attempt: Attempt, data: PreparedData) -> None:
    if not attempt.leads:
        return
    environment, ranks = attempt.environment, attempt.ranks
    attempt.directory.write_config(attempt.config)
    attempt.directory.begin(
        {"attempt": attempt.number, "nodes": ranks.nodes, "world_size": ranks.world_size},
        {
            "name": environment.get(names.ENV_NAME, attempt.directory.run_id),
            "namespace": environment.get(names.ENV_NAMESPACE),
            "uid": environment.get(names.ENV_UID),
            "task": attempt.config.task,
            "classes": list(data.metadata.classes),
            "images": {split: len(indices) for split, indices in data.metadata.splits.items()},
            "provenance": {
                "image": environment.get(names.ENV_IMAGE),
                "code_version": version(DISTRIBUTION),
                "torch_version": torch.__version__,
                "config_sha256": config_digest(attempt.config),
                "data_sha256": data.digest,
            },
        },
    )
    LOGGER.info(
        "%d processes on %d nodes; %s images of %d classes",
        ranks.world_size,
        ranks.nodes,
        ", ".join(f"{len(indices)} {split}" for split, indices in data.metadata.splits.items()),
        len(data.metadata.classes),
    )


def _write_results(
    attempt: Attempt,
    progress: Progress,
    module: pl.LightningModule,
    scores: Mapping[str, float],
    training_time: float,
) -> None:
    config, directory = attempt.config, attempt.directory
    best = progress.best
    assert best is not None
    weights = directory.checkpoints / checkpointing.BEST_WEIGHTS
    checkpointing.export_weights(module, weights)
    progress.tested({name: value for name, value in scores.items() if name.startswith("test_")})
    results: dict[str, Any] = {
        "run_id": directory.run_id,
        **TASKS[config.task].results(scores),
        "monitor": config.monitor,
        "best_epoch": best.epoch,
        "total_epochs_run": len(progress.epochs),
        "training_time": round(training_time, 3),
        "early_stopped": progress.early_stopped,
        "best_model_path": str(weights.relative_to(directory.path)),
        "learning_rate": config.optimizer.learning_rate,
        "model_params": sum(parameter.numel() for parameter in module.parameters()),
        "scores": dict(scores),
    }
    directory.write_results(results)
    LOGGER.info(
        "best epoch %d: %s",
        best.epoch,
        "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if "_class_" not in name),
    )

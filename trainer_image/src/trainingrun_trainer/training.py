"""One attempt of a run, in order: claim -> prepare -> build -> resume -> fit -> evaluate -> report."""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.strategies import DDPStrategy

from trainingrun_api import TrainingConfig, names
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_api.training import DETECTION
from trainingrun_trainer import checkpoint_files, records
from trainingrun_trainer.accelerator import (
    Accelerator,
    choose_accelerator,
    choose_precision,
    cpu_limit,
    loader_workers,
    threads,
)
from trainingrun_trainer.attempt import Attempt
from trainingrun_trainer.checkpointing import CheckpointStore
from trainingrun_trainer.data.module import CPU, DataModule
from trainingrun_trainer.data.prepared import PreparedData, agreed, check_ranks
from trainingrun_trainer.distributed import broadcast, on_each_node, on_rank_0
from trainingrun_trainer.finishing import finish
from trainingrun_trainer.interruption import take_over
from trainingrun_trainer.keeper import CheckpointKeeper, Schedule
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.meeting import process_group
from trainingrun_trainer.metrics import mode
from trainingrun_trainer.models import factory
from trainingrun_trainer.optimization.compilation import compile_network
from trainingrun_trainer.optimization.module import OptimizedModule
from trainingrun_trainer.optimization.search import search
from trainingrun_trainer.patience import patiently
from trainingrun_trainer.pulse import Pulse
from trainingrun_trainer.resume import Identity, resume
from trainingrun_trainer.tasks import task
from trainingrun_trainer.work_clock import WorkClock


def run(attempt: Attempt) -> None:
    """Train to the end. Every rank calls it.

    Raises:
        TrainerError: what a user or the operator must know of.
    """
    gpus_requested = attempt.environment.get(names.ENV_GPUS)
    accelerator = choose_accelerator(
        attempt.config.accelerator,
        gpus_requested=None if gpus_requested is None else int(gpus_requested),
        cuda_devices=torch.cuda.device_count() if torch.cuda.is_available() else 0,
        local_world_size=attempt.ranks.local_world_size,
    )
    with tempfile.TemporaryDirectory(prefix="trainingrun-", ignore_cleanup_errors=True) as scratch:
        with process_group(attempt.ranks, accelerator, attempt.stop):
            finishing = _train_together(attempt, accelerator, Path(scratch))
        # the other ranks are not kept waiting
        if finishing:
            finishing()


def _train_together(attempt: Attempt, accelerator: Accelerator, scratch: Path) -> Callable[[], None] | None:
    """Train; what is left to do after the results, on rank 0."""
    config, ranks = attempt.config, attempt.ranks
    if ranks.world_size > 1:
        LOGGER.info("joined the process group as rank %d of %d", ranks.rank, ranks.world_size)
    if on_rank_0(ranks, lambda: records.claim(attempt)):
        return None
    attempt.heartbeat.enter(TrainerPhase.PREPARING_DATA)
    prepared = on_each_node(
        ranks,
        lambda beat: _prepare(config, scratch, beat),
        attempt.heartbeat.beat,
        lambda: attempt.stop.received,
    )
    agreed(prepared)
    data = prepared[ranks.node]
    check_ranks(data, ranks.world_size)
    on_rank_0(ranks, lambda: records.start(attempt, data))
    attempt.heartbeat.enter(TrainerPhase.WARMING_UP)
    return _train(attempt, data, accelerator)


def _prepare(config: TrainingConfig, scratch: Path, beat: Callable[[], None]) -> PreparedData:
    return task(config.task).prepare(config, scratch, threads(cpu_limit(), 1), beat)


def _train(attempt: Attempt, data: PreparedData, accelerator: Accelerator) -> Callable[[], None] | None:
    config, ranks, directory = attempt.config, attempt.ranks, attempt.directory
    pl.seed_everything(config.seed, verbose=False)
    module = task(config.task).module(config, data)
    loaders = DataModule(
        data,
        config,
        ranks,
        num_workers=loader_workers(config.data.num_workers, cpu_limit(), ranks.local_world_size),
        device=torch.device("cuda", ranks.local_rank) if accelerator == "gpu" else CPU,
    )
    if attempt.leads:
        attempt.progress = records.progress(attempt, train_images=len(data.splits["train"]))
    top_k = config.artifacts.save_top_k
    store = CheckpointStore(directory.checkpoints, directory.fence, attempt.progress, top_k=top_k)
    identity = Identity(config.seed, ranks.world_size, data.digest)
    resumed = resume(store, ranks, identity, attempt.wait)
    if attempt.progress:
        attempt.progress.resumed(resumed.manifest, exact=resumed.exact, damaged=resumed.damaged)
    keeper = CheckpointKeeper(
        directory.checkpoints,
        loaders,
        attempt.stop,
        Schedule.from_environment(attempt.environment),
        monitor=config.monitor,
        top_k=top_k,
        identity=identity,
        rank=ranks.rank,
    )
    trainer = _trainer(attempt, accelerator, store, keeper)
    if config.metrics.custom:
        module.try_custom_metrics(data, trainer.strategy.root_device)
    if config.find_learning_rate and resumed.path is None:
        module.base_rate = on_rank_0(ranks, lambda: _find_learning_rate(attempt, module, trainer, loaders))
    if config.compile:
        compile_network(module.network, threads(cpu_limit(), ranks.local_world_size))
    # the same weights on every rank, but dropout of its own
    torch.manual_seed(config.seed + ranks.rank)
    trainer.fit(module, datamodule=loaders, ckpt_path=resumed.path)
    attempt.stop.heed()
    store.settle(attempt.wait)
    training_time = attempt.heartbeat.useful_seconds

    attempt.heartbeat.enter(TrainerPhase.TESTING)
    scores = _evaluate_best(attempt, trainer, module, loaders, has_test="test" in data.splits)
    evidence = module.evidence() if config.artifacts.report else {}
    if attempt.progress is None:
        return None
    # from the results on the run is done, and SIGTERM only leaves out what takes long
    attempt.stop.deferred = True
    results = records.end(attempt, attempt.progress, module, scores, keeper.best, training_time)
    return partial(finish, attempt, data, module, evidence, trainer.strategy.root_device, results)


def _find_learning_rate(
    attempt: Attempt, module: OptimizedModule, trainer: pl.Trainer, loaders: DataModule
) -> float:
    rate = search(module, trainer, loaders, attempt.wait)
    patiently(lambda: attempt.directory.note({"found_learning_rate": rate}), attempt.wait)
    return rate


def _trainer(
    attempt: Attempt, accelerator: Accelerator, store: CheckpointStore, keeper: CheckpointKeeper
) -> pl.Trainer:
    config, ranks, directory = attempt.config, attempt.ranks, attempt.directory
    callbacks: list[pl.Callback] = [Pulse(attempt.heartbeat), keeper]
    if attempt.progress:
        callbacks.insert(0, attempt.progress)
    if attempt.database:
        callbacks.append(attempt.database)
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
        strategy=_data_parallel(config, ranks.world_size, accelerator) if ranks.world_size > 1 else "auto",
        precision=choose_precision(
            config.precision,
            accelerator,
            bf16=accelerator == "gpu" and torch.cuda.is_bf16_supported(including_emulation=False),
        ),
        plugins=[TorchElasticEnvironment() if ranks.world_size > 1 else LightningEnvironment(), store],
        max_epochs=config.max_epochs,
        accumulate_grad_batches=config.accumulate_batches,
        gradient_clip_val=config.gradient_clip_norm,
        callbacks=callbacks,
        profiler=WorkClock(attempt.heartbeat, accelerator),
        default_root_dir=directory.path,
        logger=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=attempt.leads and sys.stdout.isatty(),
        # pictures of a detector differ in shape, and cuDNN would search anew for each
        benchmark=accelerator == "gpu" and config.task not in DETECTION,
    )
    take_over(trainer)
    return trainer


def _data_parallel(config: TrainingConfig, world_size: int, accelerator: Accelerator) -> DDPStrategy:
    """DDP puts gradients into other buckets after the first step of a process, unless it looks for unused
    parameters. Of more than two ranks gloo adds up in an order that depends on the buckets, so the first step
    of a resumed attempt would differ in the last bit.

    It must look for them as well where an encoder has no gradients at first and later has, and in a factory's
    network whose gradients were not tried: that of volumes and of detectors would cost too much."""
    thaws = 0 < config.model.freeze_encoder_epochs < config.max_epochs
    untried = factory.is_factory(config.model.architecture) and (
        config.data.dimensions == 3 or config.task in DETECTION
    )
    return DDPStrategy(
        gradient_as_bucket_view=True,
        find_unused_parameters=thaws or untried or (accelerator == "cpu" and world_size > 2),
    )


def _evaluate_best(
    attempt: Attempt,
    trainer: pl.Trainer,
    module: pl.LightningModule,
    loaders: DataModule,
    *,
    has_test: bool,
) -> dict[str, float]:
    """Scores of best.ckpt by all ranks. Rank 0 alone reads it: a network volume may show others an older
    file."""
    if attempt.leads:
        module.load_state_dict(
            checkpoint_files.load(attempt.directory.checkpoints / checkpoint_files.BEST)["state_dict"]
        )
    broadcast(module.state_dict().values())
    scores = dict(trainer.validate(module, datamodule=loaders, verbose=False)[0])
    if has_test:
        scores |= trainer.test(module, datamodule=loaders, verbose=False)[0]
    return scores

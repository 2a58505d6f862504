"""What rank 0 writes into the run directory at the start of an attempt and at the end of the run."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch

from trainingrun_api import log_line, names
from trainingrun_trainer.artifacts import config_digest, finite
from trainingrun_trainer.attempt import Attempt
from trainingrun_trainer.checkpoint_files import BEST, BEST_WEIGHTS, epoch_file
from trainingrun_trainer.checkpointing import export_weights
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.metrics import most_telling
from trainingrun_trainer.optimization.module import OptimizedModule
from trainingrun_trainer.patience import patiently
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.ranking import BestCheckpoint
from trainingrun_trainer.tasks import task
from trainingrun_trainer.tensorboard_log import TensorBoardLog

DISTRIBUTION = "trainingrun"
UNFINISHED = "the run ended before its report and exports were made"
"""In results.json until they are; see `finishing`."""


def claim(attempt: Attempt) -> bool:
    """Let no earlier attempt write any more, and say whether the run is done already.

    Raises:
        BadConfig: the directory belongs to a run of another config.
        Fenced: a later attempt has begun.
    """
    directory = attempt.directory
    patiently(directory.fence.claim, attempt.wait)
    finished = directory.finished(attempt.config)
    if finished is None:
        return False
    attempt.stop.deferred = True
    LOGGER.info("the results of this run are there already")
    attempt.progress = progress(attempt, train_images=0)
    attempt.progress.finished(*finished)
    announce(attempt)
    return True


def progress(attempt: Attempt, *, train_images: int) -> Progress:
    """What follows the training of an attempt."""
    return Progress(
        attempt.directory,
        attempt.telemetry,
        attempt.heartbeat,
        monitor=attempt.config.monitor,
        total_epochs=attempt.config.max_epochs,
        train_images=train_images,
        tensorboard=TensorBoardLog(attempt.directory) if attempt.config.artifacts.tensorboard else None,
    )


def start(attempt: Attempt, data: PreparedData) -> None:
    """Record that the attempt trains, and on what."""
    environment, ranks = attempt.environment, attempt.ranks
    content = {
        "name": environment.get(names.ENV_NAME, attempt.directory.run_id),
        "namespace": environment.get(names.ENV_NAMESPACE),
        "uid": environment.get(names.ENV_UID),
        "task": attempt.config.task,
        "classes": list(data.classes),
        # of tasks with mask files: which label each class has in them
        **({"label_values": list(data.label_values)} if hasattr(data, "label_values") else {}),
        "images": {split: len(indices) for split, indices in data.splits.items()},
        "provenance": {
            "image": environment.get(names.ENV_IMAGE),
            "code_version": version(DISTRIBUTION),
            "torch_version": torch.__version__,
            "config_sha256": config_digest(attempt.config),
            "data_sha256": data.digest,
        },
    }
    group = {"nodes": ranks.nodes, "world_size": ranks.world_size}
    patiently(lambda: attempt.directory.begin(group, content, attempt.config), attempt.wait)
    LOGGER.info(
        "%d processes on %d nodes; %s images of %d classes",
        ranks.world_size,
        ranks.nodes,
        ", ".join(f"{len(indices)} {split}" for split, indices in data.splits.items()),
        len(data.classes),
    )


def end(
    attempt: Attempt,
    progress: Progress,
    module: OptimizedModule,
    scores: Mapping[str, float],
    best_epochs: Sequence[BestCheckpoint],
    training_time: float,
) -> dict[str, Any]:
    """Write the bare weights and the results, results.json last: from then on training is done."""
    config, directory = attempt.config, attempt.directory
    best = progress.best
    assert best is not None
    weights = directory.checkpoints / BEST_WEIGHTS
    folder, several = directory.checkpoints.name, config.artifacts.save_top_k > 1
    results: dict[str, Any] = {
        "run_id": directory.run_id,
        **task(config.task).results(scores),
        "monitor": config.monitor,
        "best_epoch": best.epoch,
        "total_epochs_run": len(progress.epochs),
        "training_time": round(training_time, 3),
        "early_stopped": progress.early_stopped,
        "best_model_path": str(weights.relative_to(directory.path)),
        "best_checkpoints": [
            {
                "path": f"{folder}/{epoch_file(epoch.epoch) if several else BEST}",
                "score": epoch.value,
                "epoch": epoch.epoch,
            }
            for epoch in best_epochs
        ],
        "learning_rate": module.base_rate,
        "model_params": sum(parameter.numel() for parameter in module.parameters()),
        "scores": dict(scores),
        "exports": {},
        "reported": False,
        "warnings": [UNFINISHED],
    }

    def write() -> None:
        export_weights(module, weights, directory.fence)
        directory.write_metrics(progress.epochs)
        directory.write_results(results)

    patiently(write, attempt.wait)
    progress.tested(scores)
    LOGGER.info(
        "best epoch %d: %s",
        best.epoch,
        "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if "_class_" not in name),
    )
    return results


def announce(attempt: Attempt) -> None:
    """Tell the log, once all is written, what the run left: whoever reads it needs no volume."""
    directory = attempt.directory
    results, files = directory.read_results(), directory.files()
    scores = {name: float("nan") if value is None else value for name, value in results["scores"].items()}
    told = {
        "results": {**results, "scores": most_telling(scores, attempt.config.monitor, log_line.MOST_SCORES)},
        "artifacts": files,
        "provenance": directory.read_run().get("provenance", {}),
    }
    LOGGER.info("the run left its results and %d files", len(files), extra={log_line.FIELDS: finite(told)})

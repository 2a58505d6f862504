"""What can be learned. A task brings its data, network and results; all else is common to all tasks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from trainingrun_api import TrainingConfig
from trainingrun_trainer.data.preparation import PreparedData
from trainingrun_trainer.tasks import classification


@dataclass(frozen=True)
class Task:
    """The parts of one task."""

    prepare: Callable[[TrainingConfig, Path, int, Callable[[], None]], PreparedData]
    """Config, scratch directory, threads, what to call on each movement -> checked data. Raises BadData or
    BadConfig."""
    module: Callable[[TrainingConfig, PreparedData], pl.LightningModule]
    """Config, data -> module that logs the monitored metric. Raises BadConfig."""
    results: Callable[[Mapping[str, float]], dict[str, Any]]
    """Scores of the best checkpoint -> the task's part of results.json."""


TASKS: Mapping[str, Task] = {
    "classification": Task(
        prepare=classification.prepare,
        module=classification.ClassificationModule,
        results=classification.results,
    ),
}

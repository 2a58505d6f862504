"""A run that is started again after its end says what it came to, also where that is no number."""

import math
from pathlib import Path

from prometheus_client import generate_latest

from trainingrun_api.termination import TerminationMessage
from trainingrun_trainer import config
from trainingrun_trainer.artifacts import RunDirectory, config_digest
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.telemetry import Telemetry

CONFIG = config.parse({"task": "classification", "data": {"format": "zip", "path": "/data/a.zip"}})
MONITOR = "val_auroc"


def test_a_monitor_that_never_was_a_number_is_none_afterwards(tmp_path: Path) -> None:
    """As of a class that the validation split lacks; JSON has no NaN."""
    directory = RunDirectory(tmp_path / "run")
    provenance = {"provenance": {"config_sha256": config_digest(CONFIG)}}
    directory.begin({}, provenance, CONFIG)
    epoch = {"global_step": 10, "val_loss": 0.5, MONITOR: math.nan, "samples_per_second": 40.0}
    epochs = [{"epoch": 1, **epoch}, {"epoch": 2, **epoch}]
    directory.write_metrics(epochs)
    scores = {"test_accuracy": 0.75, "test_auroc": math.nan}
    directory.write_results({"best_epoch": 1, "training_time": 3.0, "scores": scores, "reported": True})

    heartbeat = Heartbeat()
    telemetry = Telemetry(heartbeat)
    progress = Progress(directory, telemetry, heartbeat, monitor=MONITOR, total_epochs=2, train_images=0)
    finished = directory.finished(CONFIG)
    assert finished is not None
    progress.finished(*finished)

    message = progress.message(TerminationMessage(outcome="completed"))
    assert message.best is not None
    assert (message.best.name, message.best.value, message.best.epoch) == (MONITOR, "nan", 1)
    assert {metric.name: metric.value for metric in message.metrics or []} == {
        "val_loss": "0.5",
        "test_accuracy": "0.75",
    }
    assert b'name="accuracy",split="test"} 0.75' in generate_latest(telemetry.registry)

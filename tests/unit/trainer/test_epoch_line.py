"""What the log line of an epoch tells machines: the epoch as in metrics.json, bounded, without NaN."""

import json
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from trainingrun_api.log_line import FIELDS, MOST_SCORES, JsonFormatter
from trainingrun_api.names import ENV_NAME
from trainingrun_client import log_lines
from trainingrun_trainer import logs
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.telemetry import Telemetry

MONITOR = "val_recall"
OTHERS = {"epoch", "global_step", "learning_rate", "seconds", "samples_per_second", "time"}


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.captureWarnings(False)
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers[:] = before
    root.setLevel(level)


class Scored(pl.LightningModule):
    """Logs a monitored score, a loss that is no number, and one score of each of many classes."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self._classes = classes

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        self.log("train_loss", math.inf)
        loss: torch.Tensor = self.layer(batch).sum()
        return loss

    def validation_step(self, batch: torch.Tensor, index: int) -> None:
        self.log_dict({MONITOR: 0.5, "val_loss": math.nan})
        self.log_dict({f"val_recall_class_{number}": 0.25 for number in range(self._classes)})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.125)


def train(directory: Path, classes: int) -> None:
    heartbeat = Heartbeat()
    progress = Progress(
        RunDirectory(directory),
        Telemetry(heartbeat),
        heartbeat,
        monitor=MONITOR,
        total_epochs=2,
        train_images=3,
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[progress],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=directory,
    )
    batches: DataLoader[Any] = DataLoader(torch.ones(3, 1), batch_size=1)  # type: ignore[arg-type]
    trainer.fit(Scored(classes), batches, batches)


def test_in_a_pod_each_epoch_line_brings_the_epoch_as_in_metrics_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(0, {ENV_NAME: "chest"})
    train(tmp_path, classes=2)
    read = [log_lines.of_local(text, "", 1) for text in capsys.readouterr().out.splitlines()]
    told = [line for line in read if line.epoch is not None]
    assert [line.epoch for line in told] == json.loads((tmp_path / "metrics.json").read_text())
    assert told[0].epoch is not None
    assert told[0].epoch.keys() >= OTHERS
    assert (told[0].epoch["train_loss"], told[0].epoch["val_loss"]) == (None, None)
    assert [line.message.split()[:2] for line in told] == [["epoch", "1/2"], ["epoch", "2/2"]]


def test_scores_of_many_classes_are_left_to_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(0, {ENV_NAME: "chest"})
    train(tmp_path, classes=2 * MOST_SCORES)
    (epoch, *_) = filter(
        None, (log_lines.of_local(text, "", 1).epoch for text in capsys.readouterr().out.splitlines())
    )
    assert len(epoch.keys() - OTHERS) == MOST_SCORES
    assert epoch.keys() >= {MONITOR, "train_loss", "val_loss"}


def test_text_lines_stay_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(0, {}, tmp_path / "training.log")
    train(tmp_path, classes=0)
    for text in (capsys.readouterr().out, (tmp_path / "training.log").read_text()):
        lines = [line for line in text.splitlines() if " INFO epoch " in line]
        assert len(lines) == 2
        assert not any("{" in line or "global_step" in line for line in lines)


def test_a_record_adds_keys_to_its_line_and_not_to_others() -> None:
    formatter = JsonFormatter(lambda: {"run": "chest"})
    logger = logging.getLogger("test")
    plain = logger.makeRecord("x", logging.INFO, __file__, 1, "a", (), None)
    rich = logger.makeRecord(
        "x", logging.INFO, __file__, 1, "a", (), None, extra={FIELDS: {"epoch": {"epoch": 1}}}
    )
    assert json.loads(formatter.format(rich))["epoch"] == {"epoch": 1}
    assert "epoch" not in json.loads(formatter.format(plain))

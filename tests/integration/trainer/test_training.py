"""A run on the CPU, from archive to results, by one process and by two."""

import csv
import io
import json
import sqlite3
import urllib.request
import zipfile
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import torch

from tests.integration.trainer.conftest import IMAGE, Ended, Launcher
from tests.integration.trainer.ports import free_port
from trainingrun_api import telemetry
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer import config as configs
from trainingrun_trainer.checkpoint_files import load
from trainingrun_trainer.data.classification import prepare
from trainingrun_trainer.metrics.classification import HEADLINE
from trainingrun_trainer.tasks.classification import ClassificationModule

SCORES = {f"{split}_{name}" for split in ("train", "val", "test") for name in HEADLINE} - {"train_auroc"}


def rescored(config: dict[str, Any], checkpoint: Path, scratch: Path) -> dict[str, float]:
    """Scores of a checkpoint on the validation split, in one process and without Lightning's loop."""
    parsed = configs.parse(config)
    data = prepare(parsed, scratch, threads=1)
    module = ClassificationModule(parsed, data).eval()
    module.load_state_dict(load(checkpoint)["state_dict"])
    indices = data.splits["val"].tolist()
    labels = torch.from_numpy(data.labels[indices])
    with torch.no_grad():
        logits = module(torch.from_numpy(data.images.take(indices)))
        module.val_metrics.add(module.loss(logits, labels), module.loss.probabilities(logits), labels)
    return module.val_metrics.scores()


def check_run_directory(ended: Ended, epochs: int) -> None:
    run, results, metrics = (ended.read(name) for name in ("run.json", "results.json", "metrics.json"))
    assert run["state"] == "completed"
    assert run["run_id"] == ended.directory.name
    assert len(run["provenance"]["data_sha256"]) == 64
    assert [entry["epoch"] for entry in metrics] == list(range(1, epochs + 1))
    assert {name for name in metrics[-1] if name in SCORES} == {s for s in SCORES if not s.startswith("test")}
    assert ended.read(f"metrics_{ended.directory.name}.json")["epochs"] == metrics
    table = (ended.directory / f"metrics_{ended.directory.name}.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [float(row["val_loss"]) for row in rows] == [entry["val_loss"] for entry in metrics]
    assert results["total_epochs_run"] == epochs
    assert {f"best_{name}" for name in HEADLINE} <= results.keys()
    assert {"training_time", "early_stopped"} <= results.keys()
    assert results["scores"][results["monitor"]] == pytest.approx(
        metrics[results["best_epoch"] - 1][results["monitor"]]
    )
    assert (ended.directory / results["best_model_path"]).is_file()
    with closing(sqlite3.connect(ended.directory / "run.db")) as database:
        runs = database.execute("SELECT run_id, status, total_epochs_run FROM run").fetchall()
        kept = database.execute("SELECT epoch, val_loss FROM run_metrics ORDER BY epoch").fetchall()
    assert runs == [(run["run_id"], "completed", epochs)]
    assert kept == [(entry["epoch"], entry["val_loss"]) for entry in metrics]
    for name in ("best", "last"):
        assert ended.read(f"checkpoints/{name}.manifest.json")["step"] > 0
    assert "epoch 1/" in (ended.directory / "logs" / "training.log").read_text()
    assert not list(ended.directory.rglob(".*"))


def test_two_pods_train_as_one_group_and_best_ckpt_scores_as_the_results_say(
    new_launcher: Launcher, digits: dict[str, Any], tmp_path: Path
) -> None:
    ended, other = (pod.wait() for pod in new_launcher.launch_pods(digits, pods=2))

    assert (ended.exit_code, other.exit_code) == (EXIT_DONE, EXIT_DONE), ended.output + other.output
    assert other.message is None
    check_run_directory(ended, epochs=2)
    run = ended.read("run.json")
    assert run["provenance"]["image"] == IMAGE
    attempt = run["attempts"][0]
    assert (attempt["nodes"], attempt["world_size"]) == (2, 2)
    results = ended.read("results.json")
    assert results["scores"].keys() >= {name for name in SCORES if not name.startswith("train")}

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name, value in rescored(digits, ended.directory / "checkpoints" / "best.ckpt", scratch).items():
        assert results["scores"][f"val_{name}"] == pytest.approx(value, abs=1e-5), name

    assert ended.message is not None
    assert (ended.message.outcome, ended.message.epochs) == ("completed", 2)
    assert ended.message.metrics
    assert ended.message.metrics[0].name == "val_accuracy"
    assert {metric.name for metric in ended.message.metrics} >= {"test_accuracy", "val_recall_class_3"}


def test_a_binary_set_is_learned_from_a_directory_with_live_metrics(
    new_launcher: Launcher, xray: dict[str, Any], xray_zip: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(xray_zip) as archive:
        archive.extractall(tmp_path / "data")
    xray["data"] |= {"format": "directory", "path": str(tmp_path / "data")}
    port = free_port()
    running = new_launcher.start("trainingrun_trainer.__main__", xray, "--metrics-port", str(port))
    seen: set[str] = set()
    deadline = monotonic() + 300
    while running.process.poll() is None and monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                seen |= {line.partition(" ")[0] for line in answer.read().decode().splitlines()}
        except OSError:  # not yet, no more, or not in time
            pass
        sleep(0.5)
    ended = running.wait()

    assert ended.exit_code == EXIT_DONE, ended.output
    check_run_directory(ended, epochs=4)
    assert ended.read("results.json")["best_auroc"] >= 0.9
    assert ended.read("run.json")["classes"] == ["clear", "opacity"]
    assert seen >= {
        f'{telemetry.METRIC}{{name="auroc",split="val"}}',
        f'{telemetry.MONITOR}{{name="auroc",split="val"}}',
        telemetry.EPOCH,
        telemetry.EPOCHS_PLANNED,
        telemetry.GLOBAL_STEP,
        telemetry.SECONDS_PER_EPOCH,
        telemetry.HEARTBEAT,
    }


def test_early_stopping_ends_a_run_that_no_longer_improves(launcher: Launcher, xray: dict[str, Any]) -> None:
    ended = launcher.train(
        xray,
        "--set",
        "maxEpochs=9",
        "--set",
        "earlyStopping={patience: 1, minDelta: 1.0}",
        "--set",
        "model.fineTuneLayersCount=0",
    )
    assert ended.exit_code == EXIT_DONE, ended.output
    results = ended.read("results.json")
    assert (results["total_epochs_run"], results["early_stopped"]) == (2, True)
    assert ended.message is not None
    assert ended.message.early_stopped
    assert json.loads((ended.directory / "config.json").read_text())["maxEpochs"] == 9

"""Images with masks are learned from folder to results, by two pods; and a killed run goes on bit for bit."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.integration.trainer.conftest import Launcher
from tests.integration.trainer.rehearsal import Life, Strike, play
from tests.integration.trainer.test_resume import EVERY_3_STEPS, KILLED, check_same
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer import config as configs
from trainingrun_trainer.checkpoint_files import load
from trainingrun_trainer.metrics.segmentation import HEADLINE
from trainingrun_trainer.samples.defects import write_defects
from trainingrun_trainer.tasks.semantic_segmentation import TASK

QUALITY = 0.7
"""Of the foreground's IoU; a guess of all or nothing has 0.04 and 0."""


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("defects")
    write_defects(directory / "defects.zip")
    with zipfile.ZipFile(directory / "defects.zip") as archive:
        archive.extractall(directory / "data")
    return directory / "data"


@pytest.fixture
def defects(surfaces: Path) -> dict[str, Any]:
    """A config that finds defects in seconds."""
    return {
        "task": "semantic-segmentation",
        "data": {
            "format": "split-files",
            "path": str(surfaces),
            "imageSize": 64,
            "batchSize": 4,
            "numWorkers": 0,
        },
        "model": {
            "architecture": "unet",
            "encoder": "tu-test_resnet",
            "parameters": {"encoder_depth": 3, "decoder_channels": [32, 16, 16]},
        },
        "loss": {"name": "combined"},
        "optimizer": {"learningRate": 0.005},
        "scheduler": {"name": "cosine"},
        "maxEpochs": 4,
        "accelerator": "cpu",
        "artifacts": {"report": False, "tensorboard": False},
    }


def rescored(config: dict[str, Any], checkpoint: Path, scratch: Path) -> dict[str, float]:
    """Scores of a checkpoint on the validation split, in one process and in one batch."""
    parsed = configs.parse(config)
    data = TASK.prepare(parsed, scratch, 1, lambda: None)
    module = TASK.module(parsed, data).eval()
    module.load_state_dict(load(checkpoint)["state_dict"])
    keys = [(0, index) for index in data.splits["val"].tolist()]
    with torch.no_grad():
        module.evaluate_batch(data.batches(parsed, augmented=False).__getitems__(keys), module.val_metrics)
    return module.val_metrics.scores()


def test_two_pods_find_defects_and_the_results_say_what_best_ckpt_scores(
    launcher: Launcher, defects: dict[str, Any], tmp_path: Path
) -> None:
    ended, other = (pod.wait() for pod in launcher.launch_pods(defects, pods=2))
    assert (ended.exit_code, other.exit_code) == (EXIT_DONE, EXIT_DONE), ended.output + other.output

    results, metrics = ended.read("results.json"), ended.read("metrics.json")
    assert results.keys() >= {f"best_{name}" for name in HEADLINE}
    assert results["monitor"] == "val_iou"
    assert results["best_iou"] >= QUALITY, metrics
    assert results["scores"]["test_iou"] >= QUALITY
    assert metrics[-1].keys() >= {"train_iou", "train_dice_std", "val_boundary_f1"}
    assert "train_boundary_f1" not in metrics[-1]

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name, value in rescored(defects, ended.directory / "checkpoints" / "best.ckpt", scratch).items():
        assert results["scores"][f"val_{name}"] == pytest.approx(value, abs=1e-4), name


def test_a_run_that_was_killed_within_an_epoch_goes_on_exactly(
    defects: dict[str, Any], tmp_path: Path
) -> None:
    defects["data"] |= {"imageSize": 32, "batchSize": 16}
    defects |= {"maxEpochs": 2, "scheduler": {"name": "plateau"}}
    config = tmp_path / "config.json"
    config.write_text(json.dumps(defects))
    runs = [("undisturbed", 1, None), ("killed", 1, Strike("step", 8)), ("killed", 2, None)]
    lives = [
        Life(str(config), str(tmp_path / run), attempt, strike=strike, environment=EVERY_3_STEPS)
        for run, attempt, strike in runs
    ]
    codes, output = play(lives)
    assert codes == [[EXIT_DONE], [KILLED], [EXIT_DONE]], output[-4000:]
    assert "step 6," in output
    check_same(tmp_path / "undisturbed", tmp_path / "killed")

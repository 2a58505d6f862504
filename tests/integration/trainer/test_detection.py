"""Objects and their masks are learned by one process and by two, and resumed exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.integration.trainer.conftest import Launcher
from tests.integration.trainer.rehearsal import Strike
from tests.integration.trainer.test_resume import Rehearsed, Row, check_row, rehearse
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer import config as configs
from trainingrun_trainer.checkpoint_files import load
from trainingrun_trainer.data.detection import prepare
from trainingrun_trainer.errors import Diverged
from trainingrun_trainer.samples.parts import write_parts
from trainingrun_trainer.tasks.detection import DetectionModule

TINY = "tests.integration.trainer.tiny_detector:"
PARTS = {"train_loss_classifier", "train_loss_box_reg", "train_loss_objectness", "train_loss_rpn_box_reg"}
HEADLINE = {"map", "map_50", "map_75", "mar_100"}


@pytest.fixture(scope="session")
def parts_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("parts") / "parts.zip"
    write_parts(path)
    return path


def config(path: Path, *, masks: bool, size: int = 128, epochs: int = 6) -> dict[str, Any]:
    """A config that learns to find parts in half a minute."""
    return {
        "task": "instance-segmentation" if masks else "object-detection",
        "data": {"format": "coco", "path": str(path), "imageSize": size, "testSplit": 0.1, "batchSize": 4},
        "model": {"architecture": f"{TINY}{'masks' if masks else 'boxes'}", "parameters": {"size": size}},
        "optimizer": {"learningRate": 0.002},
        "augmentation": {"horizontalFlip": 0.5, "verticalFlip": 0.5},
        "artifacts": {"report": False},
        "maxEpochs": epochs,
        "accelerator": "cpu",
    }


def rescored(written: dict[str, Any], checkpoint: Path, scratch: Path) -> dict[str, float]:
    """Scores of a checkpoint on the validation split, in one process and without Lightning's loop."""
    parsed = configs.parse(written)
    scratch.mkdir()
    data = prepare(parsed, scratch, threads=1)
    module = DetectionModule(parsed, data).eval()
    module.load_state_dict(load(checkpoint)["state_dict"])
    batches = data.batches(parsed, augmented=False)
    with torch.no_grad():
        for index in data.splits["val"].tolist():
            module.evaluate_batch(batches[0, index], module.val_metrics)
    return module.val_metrics.scores()


def test_parts_are_found(launcher: Launcher, parts_zip: Path) -> None:
    ended = launcher.train(config(parts_zip, masks=False))
    assert ended.exit_code == EXIT_DONE, ended.output
    results, metrics = ended.read("results.json"), ended.read("metrics.json")
    assert results["best_map_50"] >= 0.8
    assert {f"best_{name}" for name in HEADLINE} <= results.keys()
    assert results["monitor"] == "val_map"
    assert {f"test_{name}" for name in HEADLINE} | {"val_map_class_washer"} <= results["scores"].keys()
    assert PARTS | {"train_loss"} <= metrics[0].keys()
    assert "val_loss" not in metrics[0]
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"] / 2
    assert ended.read("run.json")["classes"] == ["washer", "plate"]


def test_two_pods_find_masks_and_best_ckpt_scores_as_the_results_say(
    launcher: Launcher, parts_zip: Path, tmp_path: Path
) -> None:
    written = config(parts_zip, masks=True)
    ended, other = (pod.wait() for pod in launcher.launch_pods(written, pods=2))
    assert (ended.exit_code, other.exit_code) == (EXIT_DONE, EXIT_DONE), ended.output + other.output
    results = ended.read("results.json")
    assert results["best_map_50"] >= 0.6
    assert results["best_map_box"] > 0
    found = rescored(written, ended.directory / "checkpoints" / "best.ckpt", tmp_path / "scratch")
    for name, value in found.items():
        assert results["scores"][f"val_{name}"] == pytest.approx(value, abs=1e-4), name


# an epoch has 5 steps of one rank, and 2 of two
ONE_RANK = (Row("after a step within an epoch", Strike("step", 8), 6),)
TWO_RANKS = (Row("the other rank, within an epoch", Strike("step", 4, rank=1), 3),)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_detector_ended_anywhere_goes_on_exactly(tmp_path: Path, ranks: int) -> None:
    path = tmp_path / "parts.zip"
    write_parts(path, pictures=24)
    changes = config(path, masks=True, size=64, epochs=3)
    changes["data"] |= {"testSplit": 0.0, "numWorkers": 0}
    changes["scheduler"] = {"name": "plateau", "patience": 0}
    rows = ONE_RANK if ranks == 1 else TWO_RANKS
    rehearsed = rehearse(Rehearsed(tmp_path, path, {**changes, "monitor": "val_map"}), ranks, rows)
    for row in rows:
        check_row(rehearsed, row)


@pytest.mark.parametrize("masks", [False, True])
def test_a_single_batch_is_learned_by_heart(parts_zip: Path, tmp_path: Path, masks: bool) -> None:
    parsed = configs.parse(config(parts_zip, masks=masks))
    data = prepare(parsed, tmp_path, threads=1)
    torch.manual_seed(0)
    module = DetectionModule(parsed, data)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.003)
    keys = [(0, index) for index in data.splits["train"][:4].tolist()]
    batch = data.batches(parsed, augmented=False).__getitems__(keys)
    for _ in range(60):
        loss = module.train_batch(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        module.eval().evaluate_batch(batch, module.val_metrics)
    assert module.val_metrics.scores()["map_50"] >= 0.95


def test_a_loss_that_is_no_number_ends_the_run_and_is_named(launcher: Launcher, parts_zip: Path) -> None:
    written = config(parts_zip, masks=False, size=64, epochs=2) | {
        "optimizer": {"name": "sgd", "learningRate": 10}
    }
    ended = launcher.train(written)
    assert ended.message is not None
    assert ended.message.error is not None
    assert ended.message.error.type == Diverged.__name__, ended.output
    assert "train_loss is" in ended.message.error.message

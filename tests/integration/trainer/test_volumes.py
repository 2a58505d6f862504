"""Livers and tumors are learned from volumes, and a killed run of one process or two goes on bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.integration.trainer.conftest import Launcher
from tests.integration.trainer.rehearsal import Strike
from tests.integration.trainer.test_resume import Rehearsed, Row, check_row, rehearse
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer import config as configs
from trainingrun_trainer.data.volumes import prepare
from trainingrun_trainer.metrics.segmentation import HEADLINE
from trainingrun_trainer.samples.volumes import write_liver
from trainingrun_trainer.tasks.semantic_segmentation import TASK

QUALITY = 0.8
"""Mean dice of liver and tumor. A network that finds livers and no tumors has at most 0.5."""
DFORMER = {"embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4], "patch_size": [4, 4, 4]}
# an epoch has 7 steps in one process, and 3 in each of two
ONE_RANK = (Row("within an epoch, with loader processes", Strike("step", 11), 9, workers=1),)
TWO_RANKS = (Row("the other rank, within an epoch", Strike("step", 5, rank=1), 3),)


@pytest.fixture(scope="session")
def liver_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("liver") / "liver.zip"
    write_liver(path)
    return path


def config(path: Path, side: int = 32, epochs: int = 10, **changes: Any) -> dict[str, Any]:
    """A config that learns livers and tumors in seconds."""
    return {
        "task": "semantic-segmentation",
        "data": {
            "format": "zip",
            "path": str(path),
            "dimensions": 3,
            "patchSize": [side, side, side],
            "batchSize": 2,
            "intensityWindow": [-100, 200],
            "classNames": ["background", "liver", "tumor"],
            "numWorkers": 0,
        },
        "model": {
            "architecture": "unet",
            "parameters": {"channels": [8, 16, 32], "num_res_units": 1, "norm": "BATCH"},
        },
        "loss": {"name": "combined"},
        "optimizer": {"learningRate": 0.02},
        "scheduler": {"name": "cosine"},
        "monitor": "val_dice",
        "maxEpochs": epochs,
        "accelerator": "cpu",
        "artifacts": {"report": False, "tensorboard": False},
        **changes,
    }


def test_livers_and_tumors_are_found(launcher: Launcher, liver_zip: Path) -> None:
    ended = launcher.train(config(liver_zip))
    assert ended.exit_code == EXIT_DONE, ended.output
    results = ended.read("results.json")
    assert {f"best_{name}" for name in HEADLINE} <= results.keys()
    assert results["best_dice"] >= QUALITY
    best = max(ended.read("metrics.json"), key=lambda epoch: float(epoch["val_dice"]))
    assert best["val_dice_class_liver"] > 0.9
    assert best["val_dice_class_tumor"] > 0.6


def test_two_ranks_train_a_network_of_which_a_part_takes_no_part(launcher: Launcher, liver_zip: Path) -> None:
    own = {"architecture": "tests.integration.trainer.tiny_volumes:Partly"}
    ended = launcher.launch(config(liver_zip, side=16, epochs=2, model=own)).wait()
    assert ended.exit_code == EXIT_DONE, ended.output


@pytest.mark.parametrize("ranks", [1, 2])
def test_volumes_ended_anywhere_go_on_exactly(tmp_path: Path, liver_zip: Path, ranks: int) -> None:
    changes = config(
        liver_zip,
        side=24,
        epochs=2,
        model={"architecture": "dformer3d", "parameters": DFORMER},
        augmentation={"horizontalFlip": 0.5, "verticalFlip": 0.5, "rotate90": 0.5},
        scheduler={"name": "plateau", "patience": 0},
    )
    rows = ONE_RANK if ranks == 1 else TWO_RANKS
    rehearsed = rehearse(Volumes(tmp_path, liver_zip, changes), ranks, rows)
    for row in rows:
        check_row(rehearsed, row)


class Volumes(Rehearsed):
    """Attempts with so many loader processes as a row says."""

    def config(self, workers: int) -> dict[str, Any]:
        content = super().config(workers)
        return {**content, "data": {**content["data"], "numWorkers": workers}}


def test_a_single_batch_is_learned_by_heart(liver_zip: Path, tmp_path: Path) -> None:
    parsed = configs.parse(config(liver_zip))
    data = prepare(parsed, tmp_path, threads=1)
    torch.manual_seed(0)
    module = TASK.module(parsed, data)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.02)
    keys = [(0, index) for index in data.splits["train"][2:4].tolist()]
    batch = data.batches(parsed, augmented=True).__getitems__(keys)
    assert set(batch.masks.flatten().tolist()) == {0, 1, 2}
    for _ in range(60):
        loss = module.train_batch(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    module.train_metrics.reset()
    with torch.no_grad():
        module.train_batch(batch)
    assert module.train_metrics.scores()["dice"] > 0.9

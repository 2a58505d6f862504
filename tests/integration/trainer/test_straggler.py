"""Of two ranks in one group the slower one is told by its own time in training steps, and each line of a
pod's log says who speaks."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.rehearsal import Life, play
from tests.integration.trainer.slow_classifier import PAUSE
from trainingrun_api.names import ENV_NAME, ENV_NAMESPACE
from trainingrun_trainer.heartbeat import FILE_VARIABLE, Heartbeats

EPOCHS = 2


@pytest.fixture(scope="module")
def trained(
    digits_zip: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Heartbeats, int, list[dict[str, Any]]]:
    """What the ranks left in shared memory, the steps that they took, and the lines that they logged."""
    directory = tmp_path_factory.mktemp("straggler")
    config = {
        "task": "classification",
        "data": {
            "format": "zip",
            "path": str(digits_zip),
            "imageSize": 32,
            "batchSize": 64,
            "numWorkers": 0,
            "persistentWorkers": False,
        },
        "model": {
            "architecture": "tests.integration.trainer.slow_classifier:network",
            "parameters": {"size": 32},
        },
        "maxEpochs": EPOCHS,
        "accelerator": "cpu",
        "artifacts": {"report": False},
    }
    (directory / "config.json").write_text(json.dumps(config))
    heartbeats = Heartbeats(range(2))
    pod = {FILE_VARIABLE: heartbeats.path, ENV_NAME: "digits", ENV_NAMESPACE: "team"}
    life = Life(str(directory / "config.json"), str(directory / "run"), ranks=2, environment=pod)
    codes, said = play([life])
    assert codes == [[0, 0]], said
    steps = json.loads((directory / "run" / "metrics.json").read_text())[-1]["global_step"]
    lines = [json.loads(line) for line in said.splitlines() if not line.startswith("== ")]
    return heartbeats, steps, lines


def test_the_slow_rank_is_told_and_what_others_wait_for_it_is_not_theirs(
    trained: tuple[Heartbeats, int, list[dict[str, Any]]],
) -> None:
    heartbeats, steps, _ = trained
    slow, other = heartbeats.read()
    assert slow.step_seconds >= steps * PAUSE
    assert 0 < other.step_seconds < slow.step_seconds / 2
    assert slow.data_wait_seconds > 0
    assert other.data_wait_seconds > 0


def test_each_line_names_the_rank_and_each_epoch_is_one_line(
    trained: tuple[Heartbeats, int, list[dict[str, Any]]],
) -> None:
    *_, lines = trained
    assert {(line["namespace"], line["run"], line["attempt"]) for line in lines} == {("team", "digits", 1)}
    assert {line["rank"] for line in lines} == {0, 1}
    epochs = [line for line in lines if line["message"].startswith("epoch ")]
    assert [line["rank"] for line in epochs] == [0] * EPOCHS

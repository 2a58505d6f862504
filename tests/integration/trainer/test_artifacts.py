"""What two processes leave for people and other programs says what the results say."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.integration.trainer.conftest import Ended, Launcher
from tests.integration.trainer.test_training import SCORES
from trainingrun_api.names import ENV_ATTEMPT, EXIT_DONE
from trainingrun_trainer import config as configs
from trainingrun_trainer.data.classification import prepare

PLOTS = {
    "loss",
    "learning_rate",
    "monitor",
    "metrics",
    "confusion_matrix",
    "roc",
    "precision_recall",
    "samples",
}
SAMPLES = 6


@pytest.fixture
def config(digits: dict[str, Any]) -> dict[str, Any]:
    return {
        **digits,
        "model": {"architecture": "timm/test_resnet"},
        "artifacts": {"samplePredictions": SAMPLES},
        "export": {"formats": ["onnx"]},
    }


def test_a_run_leaves_what_people_and_programs_can_open(
    launcher: Launcher, config: dict[str, Any], tmp_path: Path
) -> None:
    ended = launcher.launch(config).wait()
    assert ended.exit_code == EXIT_DONE, ended.output
    results, directory = ended.read("results.json"), ended.directory
    assert (results["warnings"], results["exports"]) == ([], {"onnx": "exports/model.onnx"})

    pictures = {path.relative_to(directory).as_posix() for path in directory.rglob("*.png")}
    assert {f"plots/{name}.png" for name in PLOTS} <= pictures
    assert len([name for name in pictures if name.startswith("samples/")]) == SAMPLES
    for name in pictures:
        with Image.open(directory / name) as image:
            image.verify()

    check_confusion(ended, results)
    check_events(ended)
    check_report(directory)
    assert f"| accuracy | {results['best_accuracy']:.4f} |" in (directory / "model_card.md").read_text()
    check_onnx(ended, config, tmp_path)

    # nothing is made again
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*.*") if path.suffix != ".log"}
    again = launcher.start("trainingrun_trainer.__main__", config, environment={ENV_ATTEMPT: "2"}).wait()
    assert again.exit_code == EXIT_DONE, again.output
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed <= {"run.json", "run.db", "attempt.json"}


def check_confusion(ended: Ended, results: dict[str, Any]) -> None:
    """All ranks' samples are in it, and its diagonal is the accuracy."""
    matrix = json.loads((ended.directory / "plots" / "confusion_matrix.json").read_text())
    run = ended.read("run.json")
    counts = torch.tensor(matrix["counts_by_truth_and_prediction"])
    assert matrix["classes"] == run["classes"]
    assert counts.sum() == run["images"]["val"]
    assert float(counts.trace() / counts.sum()) == pytest.approx(results["best_accuracy"], abs=1e-6)


def check_events(ended: Ended) -> None:
    """TensorBoard shows each epoch once, as metrics.json has it."""
    events = EventAccumulator(str(ended.directory / "logs")).Reload()
    metrics = ended.read("metrics.json")
    for name in (*(score for score in SCORES if not score.startswith("test_")), "learning_rate"):
        tag = name if name == "learning_rate" else name.replace("_", "/", 1)
        shown = [(event.step, event.value) for event in events.Scalars(tag)]
        assert shown == [(epoch["epoch"], pytest.approx(epoch[name], rel=1e-6)) for epoch in metrics], name
    (test,) = events.Scalars("test/accuracy")
    assert test.step == ended.read("results.json")["best_epoch"]


class Sources(HTMLParser):
    """What a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value)[:22] for name, value in attrs if name in ("src", "srcset", "href")]


def check_report(directory: Path) -> None:
    """Each plot in light and in dark, each sample, and nothing from elsewhere."""
    page = Sources()
    page.feed((directory / "report.html").read_text())
    assert set(page.found) == {"data:image/png;base64,"}
    assert len(page.found) == 2 * (len(PLOTS) - 1) + SAMPLES


def check_onnx(ended: Ended, config: dict[str, Any], scratch: Path) -> None:
    """Fed with the validation images, it is as right as the results say."""
    (scratch / "scratch").mkdir()
    data = prepare(configs.parse(config), scratch / "scratch", threads=1)
    indices = data.splits["val"].tolist()
    described = ended.read("exports/export.json")
    session = onnxruntime.InferenceSession(
        ended.directory / "exports" / described["files"]["onnx"]["file"], providers=["CPUExecutionProvider"]
    )
    (probabilities,) = session.run(None, {described["input"]["name"]: data.images.take(indices)})
    right = probabilities.argmax(axis=1) == data.labels[indices]
    assert described["classes"] == list(data.classes)
    assert right.mean() == pytest.approx(ended.read("results.json")["best_accuracy"], abs=1e-6)

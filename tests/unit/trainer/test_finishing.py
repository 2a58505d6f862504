"""After its results are written a run is done, whatever becomes of its report and exports."""

import json
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from trainingrun_api import TrainingConfig
from trainingrun_api.log_line import MOST_SCORES
from trainingrun_api.names import ENV_NAME
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer import finishing, logs
from trainingrun_trainer.artifacts import MOST_FILES, RunDirectory, config_digest
from trainingrun_trainer.attempt import Attempt
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import Fenced
from trainingrun_trainer.finishing import Finish, beating, finish
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.records import UNFINISHED
from trainingrun_trainer.report.card import markdown
from trainingrun_trainer.report.page import Figure, html
from trainingrun_trainer.report.summary import Summary
from trainingrun_trainer.telemetry import Telemetry

CONFIG = TrainingConfig.model_validate(
    {"task": "classification", "data": {"format": "zip", "path": "/data/a.zip"}, "maxEpochs": 3}
)
RESULTS = {
    "run_id": "xray-1",
    "monitor": "val_recall",
    "best_epoch": 2,
    "total_epochs_run": 3,
    "training_time": 12.5,
    "early_stopped": True,
    "best_model_path": "checkpoints/best_model.pt",
    "learning_rate": 0.001,
    "model_params": 12_345,
    "scores": {"val_loss": 0.5, "val_recall": 0.9, "test_recall": 0.8, "val_recall_class_a": 1.0},
    "exports": {},
    "reported": False,
    "warnings": [UNFINISHED],
}
RUN = {
    "task": "classification",
    "classes": ["a", "<b>"],
    "images": {"train": 30, "val": 10, "test": 5},
    "namespace": None,
    "provenance": {"image": None, "code_version": "0.1.0", "data_sha256": "0123abcd"},
}


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    """An attempt whose results are written."""
    directory = RunDirectory(tmp_path / "xray-1")
    directory.begin({"nodes": 1, "world_size": 2}, RUN, CONFIG)
    directory.write_results(RESULTS)
    heartbeat = Heartbeat()
    return Attempt(CONFIG, directory, Ranks(), heartbeat, Telemetry(heartbeat), {})


@pytest.fixture
def pod_log() -> Iterator[Callable[[], None]]:
    """Makes the log that of a pod."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield lambda: logs.configure(0, {ENV_NAME: "xray"})
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(autouse=True)
def quiet_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def finished(attempt: Attempt, monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], None]) -> Any:
    """results.json after some steps took the place of what takes long."""
    named = [(f"step {number}", step) for number, step in enumerate(steps, start=1)]
    monkeypatch.setattr(Finish, "steps", lambda self: iter(named))
    nothing: Any = None
    finish(attempt, nothing, nothing, {}, torch.device("cpu"), RESULTS)
    return json.loads((attempt.directory.path / "results.json").read_text())


def test_what_fails_costs_a_warning_and_nothing_else(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def fail() -> None:
        raise MemoryError("first line\nsecond line")

    results = finished(attempt, monkeypatch, fail, lambda: done.append(attempt.heartbeat.phase))
    assert results == {
        **RESULTS,
        "reported": True,
        "warnings": ["step 1: left out, MemoryError: first line"],
    }
    assert done == [TrainerPhase.REPORTING]
    assert (attempt.directory.path / "report.html").is_file()
    assert "first line" in (attempt.directory.path / "model_card.md").read_text()


def test_a_step_that_cannot_be_written_is_told_in_the_results(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    (attempt.directory.path / "plots").write_text("in the way of the directory")
    nothing: Any = None
    work = Finish(attempt, nothing, nothing, {}, torch.device("cpu"), RESULTS)
    results = finished(attempt, monkeypatch, lambda: work.write("plots/loss.png", b"png"))
    assert len(results["warnings"]) == 1
    assert results["warnings"][0].startswith("step 1: left out, ")


@pytest.mark.parametrize("swallowed", [False, True])
def test_after_sigterm_what_takes_long_is_left_out_and_the_run_is_done(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch, swallowed: bool
) -> None:
    attempt.stop.install(deferred=False)
    done = []

    def stopped() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("went on")
        except Exception:
            if not swallowed:
                raise

    results = finished(attempt, monkeypatch, stopped, lambda: done.append("next"))
    assert done == []
    assert results["warnings"][-1] == "step 2: left out, the pod was stopped"
    assert results["reported"] is False
    assert (len(results["warnings"]) == 1) is swallowed
    assert (attempt.directory.path / "report.html").is_file()


def test_what_an_attempt_was_killed_in_is_not_tried_again(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    class Killed(BaseException):
        """The process ends here."""

    def kill() -> None:
        raise Killed

    with pytest.raises(Killed):
        finished(attempt, monkeypatch, lambda: done.append(1), kill, lambda: done.append(3))
    attempt.directory = RunDirectory(attempt.directory.path, 2)
    attempt.directory.begin({"nodes": 1, "world_size": 2}, RUN, CONFIG)
    results = finished(attempt, monkeypatch, lambda: done.append(1), kill, lambda: done.append(3))
    assert done == [1, 1, 3]
    assert results["warnings"] == ["step 2: left out, an earlier attempt was killed in it"]
    assert results["reported"] is True


def test_a_fenced_attempt_ends(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDirectory(attempt.directory.path, 2).fence.claim()
    with pytest.raises(Fenced):
        finished(attempt, monkeypatch)
    assert json.loads((attempt.directory.path / "results.json").read_text()) == RESULTS


@pytest.mark.parametrize("reported", [False, True])
def test_results_are_the_end_once_report_and_exports_are_made(attempt: Attempt, reported: bool) -> None:
    known = attempt.directory.read_run()
    known["provenance"]["config_sha256"] = config_digest(CONFIG)
    (attempt.directory.path / "run.json").write_text(json.dumps(known))
    (attempt.directory.path / "metrics.json").write_text("[]")
    results = {**RESULTS, "reported": reported}
    attempt.directory.write_results(results)
    assert attempt.directory.finished(CONFIG) == (([], results) if reported else None)


def test_long_work_beats_but_what_hangs_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "BEAT_SECONDS", 0.001)
    third = threading.Event()
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            third.set()

    with beating(beat):
        assert third.wait(60)
    silent = len(beats)
    with beating(beat, longest=0.0):
        for thread in threading.enumerate():
            if thread.name == "beating":
                thread.join(60)
                assert not thread.is_alive()
    assert len(beats) == silent


class Links(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "srcset", "href", "url")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_holds_all_in_one_file_and_asks_nobody(attempt: Attempt) -> None:
    summary = Summary(attempt.directory.read_run(), CONFIG.to_wire(), {**RESULTS, "warnings": ["<careful>"]})
    page = html(summary, [Figure("loss", b"light", b"dark")], [Figure("true <b>", b"png", right=False)])
    parsed = Links()
    parsed.feed(page)
    assert len(parsed.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in parsed.sources)
    assert "url(" not in page
    assert "@import" not in page
    assert "script" not in parsed.tags
    assert "b" not in parsed.tags
    for said in (
        "val_recall 0.9000 in epoch 2 of 3",
        "3, stopped early",
        "12,345",
        "<careful>",
        "0123abcd",
        "true <b>",
    ):
        assert said in parsed.text
    assert "val_recall_class_a" in parsed.text
    assert "prefers-color-scheme: dark" in page


def test_the_model_card_says_only_what_is_known(attempt: Attempt) -> None:
    card = markdown(Summary(attempt.directory.read_run(), CONFIG.to_wire(), {**RESULTS, "warnings": []}))
    assert "| recall | 0.9000 | 0.8000 |" in card
    assert "| loss | 0.5000 |  |" in card
    assert "| input | RGB images of 224 x 224 pixels, normalization imagenet |" in card
    assert "| data SHA-256 | 0123abcd |" in card
    assert "| test samples | 5 |" in card
    assert "None" not in card
    assert "Warnings" not in card


def told(output: str) -> list[dict[str, Any]]:
    """What lines of a pod's log say of results."""
    lines = [json.loads(line) for line in output.splitlines()]
    return [line for line in lines if "results" in line]


def test_the_last_line_tells_a_watcher_results_files_and_provenance(
    attempt: Attempt,
    monkeypatch: pytest.MonkeyPatch,
    pod_log: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pod_log()
    plot = attempt.directory.path / "plots" / "loss.png"

    def draw() -> None:
        plot.parent.mkdir()
        plot.write_bytes(b"png")
        plot.with_name(".loss.png.1.partial").write_bytes(b"half")
        plot.with_name("link.png").symlink_to(plot)

    results = finished(attempt, monkeypatch, draw)
    (line,) = told(capsys.readouterr().out)
    assert line["results"] == results
    assert line["provenance"] == RUN["provenance"]
    assert line["artifacts"][-1] == {"path": "plots/loss.png", "size": 3}
    listed = {each["path"] for each in line["artifacts"]}
    assert {"results.json", "report.html", "model_card.md", "checkpoints/attempt.json"} <= listed
    assert not any("partial" in path or "link" in path for path in listed)
    assert line["message"] == f"the run left its results and {len(listed)} files"


def test_the_last_line_is_bounded(
    attempt: Attempt,
    monkeypatch: pytest.MonkeyPatch,
    pod_log: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    pod_log()
    scores = {
        "val_recall": math.nan,
        **{f"val_recall_class_{number}": 0.5 for number in range(2 * MOST_SCORES)},
    }
    monkeypatch.setitem(RESULTS, "scores", scores)
    for number in range(MOST_FILES + 1):
        (attempt.directory.path / f"{number}.txt").touch()
    finished(attempt, monkeypatch)
    (line,) = told(capsys.readouterr().out)
    assert len(line["artifacts"]) == MOST_FILES
    assert len(line["results"]["scores"]) == MOST_SCORES
    assert line["results"]["scores"]["val_recall"] is None

"""`kubectl trainingrun local`, `init` and `data validate` as a person and a script call them."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers import terminal as person
from tests.helpers.command_line import PROGRAM
from tests.helpers.local_runs import LONG, SECONDS, manifest, until_epoch
from trainingrun_client import TrainingRunClient
from trainingrun_client.local import LocalBackend
from trainingrun_client.local.environment import shows_gpu


class Terminal:
    """`kubectl trainingrun` in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [PROGRAM, *words],
            cwd=self._directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        output, _ = process.communicate(timeout=SECONDS)
        return process.returncode, output

    def write(self, body: Mapping[str, Any]) -> None:
        (self._directory / "run.yaml").write_text(yaml.safe_dump(dict(body)))


@pytest.fixture
def terminal(tmp_path: Path, data: Path, backend: LocalBackend) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    terminal.write(manifest())
    yield terminal
    terminal.end()


def test_ctrl_c_keeps_a_checkpoint_and_the_same_command_goes_on(
    terminal: Terminal, client: TrainingRunClient
) -> None:
    long = ("local", "run.yaml", "--data", "pictures=claim", "--set", f"training.maxEpochs={LONG}")
    process = terminal.start(*long)
    until_epoch(client, "small", 1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, output
    assert "The same command goes on: kubectl trainingrun local run.yaml" in output
    assert client.get("small").reason == "Suspended"
    done = len(client.epochs("small"))

    process = terminal.start(*long)
    until_epoch(client, "small", done + 1)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, output
    assert "small goes on where it was" in output

    code, output = terminal.run("local", "run.yaml", "--data", "pictures=claim")
    assert code == 4
    assert "training.maxEpochs differ" in output
    assert "--run-dir" in output


def test_a_run_is_trained_once_and_tells_where_its_results_are(terminal: Terminal, tmp_path: Path) -> None:
    words = ("local", "run.yaml", "--data", "pictures=claim", "--run-dir", "results/first")
    code, output = terminal.run(*words)
    assert code == 0, output
    assert output.count("\nepoch ") == 2
    assert f"results: {tmp_path / 'results' / 'first'}" in output
    code, output = terminal.run(*words)
    assert code == 0
    assert "first is Completed already; nothing is to be done" in output


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("local", "run.yaml"), 4, "it lies in the claim pictures: give the directory that stands for it"),
        (("local", "run.yaml", "--data", "pictures=nowhere"), 4, "pictures=nowhere is no directory"),
        (("local", "run.yaml", "--data", "pictures=runs"), 4, "holds no set"),
        (("local", "run.yaml", "--data", "photos=claim"), 4, "its claims: pictures, small-checkpoints"),
        (("local", "run.yaml", "--data", "claim"), 4, "write CLAIM=DIR"),
        (("local", "run.yaml", "--data", "pictures=claim", "--run-dir", "claim"), 4, "holds the data"),
        (
            ("local", "run.yaml", "--data", "pictures=claim", "--run-dir", "/proc/x"),
            4,
            "/proc/x cannot be made",
        ),
        pytest.param(
            ("local", "run.yaml", "--data", "pictures=claim", "--set", "training.accelerator=gpu"),
            4,
            "no GPU",
            marks=pytest.mark.skipif(shows_gpu(), reason="a GPU shows"),
        ),
        (("data", "validate", "run.yaml", "--data", "pictures=claim"), 0, "checking "),
        (
            (
                "data",
                "validate",
                "run.yaml",
                "--data",
                "pictures=claim",
                "--set",
                "training.data.labelColumn=kind",
            ),
            4,
            "no column 'kind'",
        ),
    ],
)
def test_wrong_input_is_told_before_anything_is_trained(
    words: tuple[str, ...], code: int, told: str, terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "runs").mkdir(exist_ok=True)
    found, output = terminal.run(*words)
    assert (found, told in output) == (code, True), output
    assert list((tmp_path / "runs").iterdir()) == []


def typed(directory: Path, *words: str) -> person.Terminal:
    """`kubectl trainingrun` as a person calls it there."""
    call = f"cd {directory} && exec {PROGRAM} {' '.join(words)}"
    return person.Terminal(["/bin/sh", "-c", call], {**os.environ, "TERM": "xterm-256color"})


def test_a_person_is_asked_for_what_data_cannot_tell(tmp_path: Path, data: Path) -> None:
    with typed(tmp_path, "init", "claim/set", "--out", "first.yaml") as screen:
        for question, answer in (("Name of the run", "mine"), ("Claim", ""), ("GPUs", "0")):
            screen.wait_for(question)
            screen.type(answer)
        assert screen.end() == 0, screen.written
    body = yaml.safe_load((tmp_path / "first.yaml").read_text())
    assert (body["metadata"]["name"], body["spec"]["volumes"][0]["claim"]) == ("mine", "mine")
    assert body["spec"]["resources"]["gpus"] == 0


def test_a_person_sees_it_learn_and_stops_it(tmp_path: Path, terminal: Terminal) -> None:
    words = ("local", "run.yaml", "--data", "pictures=claim", "--set", f"training.maxEpochs={LONG}")
    with typed(tmp_path, *words) as screen:
        screen.wait_for(rf"epoch \d+/{LONG}, training", seconds=SECONDS)
        screen.wait_for(r"val_accuracy=\d", seconds=SECONDS)
        screen.press_ctrl_c()
        screen.wait_for("Ctrl-C again stops at once")
        assert screen.end() == 130, screen.written
        assert any("The same command goes on" in line for line in screen.screen())

"""What a run on this machine is made of: paths, processes, environment, and its status in every end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_api.status import Best
from trainingrun_api.termination import TerminationError, TerminationMessage
from trainingrun_client.errors import InputError, InvalidError
from trainingrun_client.local import processes, reading, status
from trainingrun_client.local.accepting import accepted, differences, patched
from trainingrun_client.local.environment import command, environment
from trainingrun_client.local.processes import Process
from trainingrun_client.local.state import Files, State
from trainingrun_client.local.volumes import on_this_machine
from trainingrun_operator.observed import run_from
from trainingrun_operator.scrape import Scrape

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "chest"},
        "spec": {
            "resources": {"gpus": 0},
            "volumes": [
                {"claim": "pictures", "mountPath": "/data"},
                {"claim": "weights", "mountPath": "/data/weights", "subPath": "v2"},
            ],
            "checkpoints": {"size": "1Gi"},
            "training": {"task": "classification", "data": {"format": "zip", "path": "/data/a/b.zip"}},
            **spec,
        },
    }


def training(**model: str) -> dict[str, Any]:
    return {
        "task": "classification",
        "data": {"format": "zip", "path": "/data/a/b.zip"},
        "model": model,
    }


@pytest.fixture
def claims(tmp_path: Path) -> dict[str, Path]:
    """Directories that stand for the claims, each with the files that runs name."""
    for name in ("pictures/a/b.zip", "weights/v2/r.pt", "results/old/best.pt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return {name: tmp_path / name for name in ("pictures", "weights")} | {
        "chest-checkpoints": tmp_path / "results"
    }


def test_paths_of_all_volumes_become_paths_of_this_machine(claims: dict[str, Path]) -> None:
    model = {"weights": "/data/weights/r.pt", "encoderWeights": "/checkpoints/old/best.pt"}
    spec = TrainingRunSpec.model_validate(manifest(training=training(**model))["spec"])
    config, said = on_this_machine(spec, "chest", claims)
    assert config.data.path == str(claims["pictures"] / "a" / "b.zip")
    assert config.model.weights == str(claims["weights"] / "v2" / "r.pt")
    assert config.model.encoder_weights == str(claims["chest-checkpoints"] / "old" / "best.pt")
    assert said == []


def test_a_path_that_is_here_needs_no_option(tmp_path: Path) -> None:
    (tmp_path / "b.zip").touch()
    content = {"task": "classification", "data": {"format": "zip", "path": str(tmp_path / "b.zip")}}
    volumes = [{"claim": "pictures", "mountPath": str(tmp_path)}]
    spec = TrainingRunSpec.model_validate(manifest(training=content, volumes=volumes)["spec"])
    config, _ = on_this_machine(spec, "chest", {})
    assert config.data.path == str(tmp_path / "b.zip")


@pytest.mark.parametrize(
    ("change", "missing", "told"),
    [
        ({}, "pictures", r"training.data.path /data/a/b.zip is not on this machine.*--data pictures=DIR"),
        ({"training": training(weights="/data/weights/r.pt")}, "weights", r"claim weights: .*weights=DIR"),
        ({"training": training(weights="/data/weights/x.pt")}, "", r"holds no v2/x.pt, which training.model"),
        ({"volumes": [{"claim": "other", "mountPath": "/data"}]}, "", r"--data pictures=...: .* mounts no"),
        ({"image": "mine:1", "training": None, "command": ["x"]}, "", "need a cluster"),
    ],
)
def test_what_is_not_here_is_named_with_the_option(
    change: dict[str, Any], missing: str, told: str, claims: dict[str, Path]
) -> None:
    claims.pop(missing, None)
    body = {name: value for name, value in manifest(**change)["spec"].items() if value is not None}
    with pytest.raises(InputError, match=told):
        on_this_machine(TrainingRunSpec.model_validate(body), "chest", claims)


def test_the_environment_is_the_operators_for_one_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PET_NNODES", "9")
    monkeypatch.setenv("TRAININGRUN_CHECKPOINT_STEPS", "7")
    monkeypatch.setenv("HOME", "/home/me")
    body = accepted(manifest(nodes=2, processesPerNode=3, env=[{"name": "OWN", "value": "1"}]), NOW)
    spec = TrainingRunSpec.model_validate(body["spec"])
    files = Files(tmp_path / "chest")
    given = environment(run_from(body), spec, 4, files, (1234, 5678))
    assert {
        "PET_NNODES": "1",
        "PET_NPROC_PER_NODE": "6",
        "PET_NODE_RANK": "0",
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": "1234",
        "PET_RDZV_ID": f"{body['metadata']['uid']}-4",
        names.ENV_NAME: "chest",
        names.ENV_NAMESPACE: "local",
        names.ENV_ATTEMPT: "4",
        names.ENV_GPUS: "0",
        names.ENV_METRICS_PORT: "5678",
        names.ENV_METRICS_ADDRESS: "127.0.0.1",
        names.ENV_RUN_DIR: str(tmp_path / "chest"),
        names.ENV_CHECKPOINT_SECONDS: str(spec.checkpoints and spec.checkpoints.every_seconds),
        names.ENV_TERMINATION_LOG: str(files.termination(4)),
        "OWN": "1",
        "HOME": "/home/me",
    }.items() <= given.items()
    assert not {names.ENV_HEARTBEATS_PORT, names.ENV_CHECKPOINT_STEPS} & given.keys()
    assert command(files)[:3] == [sys.executable, "-m", "trainingrun_trainer.launch"]


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[Process]:
    process = processes.start(["/bin/sleep", "60"], dict(os.environ), tmp_path / "log")
    yield process
    processes.send(process, signal.SIGKILL)
    while processes.alive(process):
        time.sleep(0.01)


def test_only_the_process_that_was_started_is_signalled(sleeping: Process) -> None:
    another = replace(sleeping, began=f"{sleeping.began}0")
    assert not processes.alive(another)
    processes.send(another, signal.SIGKILL)
    assert processes.alive(sleeping)
    processes.send(sleeping, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while processes.alive(sleeping):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes.send(sleeping, signal.SIGTERM)  # nobody is there any more


def test_a_dead_process_that_nobody_waited_for_is_dead(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as popen:
        began = (Path("/proc") / str(popen.pid) / "stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        process = Process(popen.pid, f"{boot}:{began}")
        assert processes.alive(process)
        popen.kill()
        deadline = time.monotonic() + 10
        while processes.alive(process):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = Files(tmp_path / "chest")
    assert files.load() is None
    files.folder.mkdir(parents=True)
    for state in (State({"a": 1}), State({"b": 2}, Process(3, "boot:4"), 5678)):
        with files.locked():
            files.save(state)
        assert files.load() == state
    assert [path.name for path in files.folder.iterdir()] == ["state.json"]


def test_what_a_run_trains_cannot_be_patched() -> None:
    body = accepted(manifest(), NOW)
    assert patched(body, {"spec": {"suspend": True}, "metadata": {"annotations": {"a": "b"}}})["spec"][
        "suspend"
    ]
    for change in ({"nodes": 2}, {"training": {"seed": 1}}):
        with pytest.raises(InvalidError, match="cannot change"):
            patched(body, {"spec": change})
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4}) == [
        "training.a.c",
        "training.d",
    ]


def ended(message: TerminationMessage | None, tail: str = "") -> status.Ended:
    at = NOW + timedelta(seconds=100)
    scrape = Scrape(at, epoch=2, epochs_planned=5, global_step=20, metrics={"val_f1": 0.5}, monitor="val_f1")
    return status.Ended(1, at, message, tail, Path("/runs/chest/.local/1.log"), scrape)


def running() -> TrainingRunStatus:
    before = TrainingRunStatus.model_validate(accepted(manifest(), NOW)["status"])
    assert (before.phase, before.reason) == ("Pending", "Creating")
    return status.started(before, 1, Path("/runs/chest"), 2, NOW)


def failing(kind: str, message: str, advice: str = "") -> TerminationMessage:
    error = TerminationError(type=kind, message=message, advice=advice)
    outcome = "interrupted" if kind == "Interrupted" else "failed"
    return TerminationMessage(outcome=outcome, rank=1, epochs=3, total_epochs=5, error=error)


DONE = TerminationMessage(
    outcome="completed",
    epochs=4,
    total_epochs=5,
    early_stopped=True,
    best=Best(name="val_f1", value="0.75", epoch=3),
)


@pytest.mark.parametrize(
    ("message", "tail", "suspend", "phase", "reason", "told"),
    [
        (DONE, "", False, "Completed", "Completed", "4 epochs, stopped early, best val_f1 0.75 in epoch 3"),
        (DONE, "", True, "Completed", "Completed", "4 epochs"),
        (failing("Interrupted", "stopped by SIGTERM"), "", True, "Pending", "Suspended", "spec.suspend"),
        (None, "", True, "Pending", "Suspended", "spec.suspend"),
        (failing("Interrupted", "stopped by SIGTERM"), "", False, "Failed", "Interrupted", "SIGTERM"),
        (failing("BadData", "row 3", "Mend it."), "", False, "Failed", "BadData", "row 3. Mend it."),
        (
            failing("Interrupted", "SIGTERM", "The pod."),
            "",
            False,
            "Failed",
            "Interrupted",
            "SIGTERM. The same",
        ),
        (failing("BadData", "row 3"), "", True, "Failed", "BadData", "row 3"),
        (failing("BadConfig", "seed"), "", False, "Failed", "BadConfig", "The whole log is in /runs/chest"),
        (failing("ValueError", "why"), "", False, "Failed", "UserError", "ValueError: why"),
        (failing("Diverged", "NaN"), "", False, "Failed", "Diverged", "NaN"),
        (failing("SIGKILL", "ended by SIGKILL"), "", False, "Failed", "Killed", "ended by SIGKILL"),
        (None, "epoch 1\nlast", False, "Failed", "Killed", "ended without a word; its last line: last"),
        (None, "OSError: No space left on device\n", False, "Failed", "DiskFull", "No space left"),
    ],
)
def test_every_end_has_its_phase_and_reason(
    message: TerminationMessage | None, tail: str, suspend: bool, phase: str, reason: str, told: str
) -> None:
    found = status.over(running(), ended(message, tail), suspend=suspend)
    assert (found.phase, found.reason, told in (found.message or "")) == (phase, reason, True), found.message
    assert found.progress is not None
    assert found.progress.epoch == (message.epochs if message and message.epochs else 2)
    (record,) = found.attempts or []
    assert (record.number, record.duration_seconds) == (1, 100)
    assert (found.last_failure is not None) == (phase == "Failed")
    assert (found.completion_time is not None) == (phase != "Pending")


def test_the_time_between_attempts_is_no_loss() -> None:
    suspended = status.over(running(), ended(None), suspend=True)
    again = status.started(suspended, 2, Path("/runs/chest"), 1, NOW + timedelta(seconds=160))
    assert (again.paused_seconds, again.active_seconds, again.attempt) == (60, 100, 2)


def test_a_log_is_read_line_by_line_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "1.log"
    reader = reading.LogReader(path, 1)
    assert list(reader.lines()) == []
    line = '{"time": "2026-01-31T12:00:00.000+00:00", "rank": 1, "message": "first"}\n'
    path.write_text(line + "second\nthi")
    found = list(reader.lines(ended=False))
    assert [(each.message, each.rank) for each in found] == [("first", 1), ("second", None)]
    assert {each.time for each in found} == {"2026-01-31T12:00:00.000+00:00"}
    with path.open("a") as file:
        file.write("rd")
    assert list(reader.lines(ended=False)) == []
    assert [each.message for each in reader.lines()] == ["third"]


def test_nothing_that_was_never_written_is_read(tmp_path: Path) -> None:
    assert reading.epochs(tmp_path) == []
    assert reading.trained_config(tmp_path) is None
    assert reading.latest_attempt(tmp_path) == 0
    assert reading.last_words(Files(tmp_path), 1) is None
    assert reading.page(1, NOW, 1) is None

"""Runs on this machine, with the real trainer: they end, stop, go on and fail as runs in a cluster do."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.helpers.local_runs import LONG, SECONDS, manifest, until_epoch
from trainingrun_client import NotFoundError, RunFailedError, TrainingRunClient
from trainingrun_client.backend import Gone
from trainingrun_client.errors import AlreadyExistsError, InvalidError
from trainingrun_client.local import LocalBackend
from trainingrun_client.local.state import FOLDER


def launcher(backend: LocalBackend, name: str) -> int:
    state = backend.files(name).load()
    assert state is not None
    assert state.process is not None
    return state.process.pid


def descendants(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for child in map(int, found) for each in (child, *descendants(child))]


def test_a_run_reports_as_in_a_cluster(client: TrainingRunClient, backend: LocalBackend) -> None:
    submitted = client.submit(manifest(processesPerNode=2))
    assert (submitted.phase, submitted.status.attempt, submitted.namespace) == ("Running", 1, "local")
    seen = [run.status for run in client.watch("small", seconds=SECONDS)]
    status = seen[-1]
    assert status.phase == "Completed", status.message
    assert "2 processes train on this machine" in {each.message for each in seen}
    assert any(each.progress and each.progress.last_heartbeat_time for each in seen)
    assert status.columns is not None
    assert status.progress is not None
    assert status.best is not None
    assert (status.columns.epoch, status.columns.progress) == ("2/2", "100%")
    assert (status.progress.epoch, status.progress.percent, status.attempt) == (2, 100, 1)
    assert status.run_directory == str(backend.root / "small")
    assert status.checkpoint is not None
    assert status.checkpoint.path == str(backend.root / "small" / "checkpoints" / "last.ckpt")
    assert [(each.number, each.outcome) for each in status.attempts or ()] == [(1, "Completed")]

    run = client.get("small")
    results = json.loads((backend.root / "small" / "results.json").read_text())
    assert run.metrics["val_loss"] == pytest.approx(client.epochs("small")[-1]["val_loss"], rel=1e-4)
    assert float(status.best.value) == pytest.approx(results["best_accuracy"], rel=1e-4)
    assert list(client.metrics("small").index) == [1, 2]
    assert [line.epoch["epoch"] for line in client.logs("small", rank=0) if line.epoch] == [1, 2]
    assert {line.rank for line in client.logs("small")} >= {0, 1}
    assert [each.name for each in client.list()] == ["small"]
    with pytest.raises(AlreadyExistsError):
        client.submit(manifest())


def test_a_suspended_run_goes_on_from_its_checkpoint_for_another_client(
    client: TrainingRunClient, backend: LocalBackend
) -> None:
    client.submit(manifest(epochs=LONG))
    until_epoch(client, "small", 1)
    processes = descendants(launcher(backend, "small"))
    client.suspend("small")
    for run in client.watch("small", seconds=SECONDS):
        if run.phase != "Running":
            break
    assert (run.phase, run.reason) == ("Pending", "Suspended")
    assert not [pid for pid in processes if Path(f"/proc/{pid}").exists()]
    done = len(client.epochs("small"))

    other = TrainingRunClient(backend=LocalBackend(backend.root))
    assert other.resume("small").status.attempt == 2
    until_epoch(other, "small", done + 1)
    run = other.get("small")
    assert run.status.checkpoint is not None
    assert (run.status.checkpoint.resumed_from_step or 0) > 0
    backend.delete("small", "local")
    with pytest.raises(NotFoundError):
        other.get("small")
    assert (backend.root / "small" / "checkpoints" / "last.ckpt").exists()
    assert not (backend.root / "small" / FOLDER).exists()


def test_bad_data_fail_the_run_and_a_retry_trains_it(
    client: TrainingRunClient, backend: LocalBackend, data: Path
) -> None:
    picture = data / "set" / "images" / "3.png"
    content = picture.read_bytes()
    picture.write_bytes(content[:20])
    client.submit(manifest())
    with pytest.raises(RunFailedError) as failed:
        client.wait("small", timeout=SECONDS)
    run = failed.value.run
    assert (run.reason, run.status.last_failure and run.status.last_failure.exit_code) == ("BadData", 65)
    assert "row 5 of metadata.csv: image '3.png'" in run.message
    picture.write_bytes(content)
    assert not client.retry("small", "mended").finished
    done = client.wait("small", timeout=SECONDS)
    assert [each.outcome for each in done.status.attempts or ()] == ["Fatal", "Completed"]
    assert done.status.attempt == 2


def test_a_killed_launcher_leaves_nobody_behind(client: TrainingRunClient, backend: LocalBackend) -> None:
    client.submit(manifest(epochs=LONG, processesPerNode=2))
    until_epoch(client, "small", 1)
    pid = launcher(backend, "small")
    processes = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RunFailedError) as failed:
        client.wait("small", timeout=SECONDS)
    assert failed.value.run.reason == "Killed"
    progress = failed.value.run.status.progress
    assert progress is not None
    assert progress.epoch
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{each}").exists() for each in processes):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_deleted_run_is_told_and_what_it_trains_cannot_change(
    client: TrainingRunClient, backend: LocalBackend
) -> None:
    client.submit(manifest(epochs=LONG))
    with pytest.raises(InvalidError, match=r"spec\.nodes: cannot change"):
        backend.patch("small", "local", {"spec": {"nodes": 2}})
    changes = backend.watch("local", seconds=SECONDS)
    assert not isinstance(next(changes), Gone)
    client.delete("small")
    assert any(isinstance(change, Gone) for change in changes)

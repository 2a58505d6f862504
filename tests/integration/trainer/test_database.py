"""The tables run and run_metrics in a real PostgreSQL, which may go away and come back."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from tests.integration.trainer.conftest import Launcher
from tests.integration.trainer.postgres import Postgres, postgres
from trainingrun_api.names import ENV_DATABASE_URL, EXIT_DONE
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.database.mirror import Mirror

LIMIT = 60.0
RUN = {
    "run_id": "chest-0f1e2d3c",
    "name": "chest",
    "namespace": "team",
    "state": "running",
    "attempts": [{"attempt": 1, "started_at": "2026-01-02T03:04:05Z"}],
}


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


def select(server: Postgres, query: str) -> Sequence[tuple[Any, ...]]:
    with psycopg.connect(server.url) as connection:
        return connection.execute(query).fetchall()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + LIMIT
    while not holds():
        assert monotonic() < deadline
        sleep(0.05)


def write_epochs(directory: Path, count: int) -> None:
    epochs = [
        {
            "epoch": number + 1,
            "time": "2026-01-02T03:05:00Z",
            "val_loss": None,
            "val_recall": 0.5,
            "val_map": 0.1,
        }
        for number in range(count)
    ]
    (directory / "run.json").write_text(json.dumps(RUN))
    (directory / "config.json").write_text(json.dumps({"database": {"clientId": "hospital-3", "roundId": 7}}))
    (directory / "metrics.json").write_text(json.dumps(epochs))


def count(server: Postgres) -> int:
    (row,) = select(server, "SELECT count(*) FROM run_metrics")
    return int(row[0])


def test_rows_have_the_types_of_a_database(server: Postgres, tmp_path: Path) -> None:
    write_epochs(tmp_path, 1)
    mirror = Mirror.of(RunDirectory(tmp_path), {ENV_DATABASE_URL: server.url})
    mirror.close(LIMIT)
    query = (
        "SELECT training_mode, status, extract(epoch FROM started_at), completed_at, early_stopped FROM run"
    )
    assert select(server, query) == [("federated", "running", 1767323045, None, None)]
    query = "SELECT epoch, client_id, round_id, val_loss, val_recall, metrics ->> 'val_map' FROM run_metrics"
    assert select(server, query) == [(1, "hospital-3", 7, None, 0.5, "0.1")]


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [
        pytest.param(Postgres.stop, Postgres.start, id="refuses-connections"),
        pytest.param(Postgres.pause, Postgres.go_on, id="never-answers"),
    ],
)
def test_rows_of_an_outage_are_caught_up(
    server: Postgres,
    tmp_path: Path,
    leave: Callable[[Postgres], None],
    come_back: Callable[[Postgres], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_epochs(tmp_path, 1)
    mirror = Mirror.of(RunDirectory(tmp_path), {ENV_DATABASE_URL: server.url})
    mirror.changed()
    eventually(
        lambda: "run_metrics" in str(select(server, "SELECT tablename FROM pg_tables")) and count(server) == 1
    )
    leave(server)
    try:
        write_epochs(tmp_path, 3)
        mirror.changed()
        eventually(lambda: any("training goes on" in message for message in caplog.messages))
        assert "secret" not in caplog.text
    finally:
        come_back(server)
    write_epochs(tmp_path, 4)
    mirror.close(LIMIT)
    assert count(server) == 4


def test_a_run_without_its_database_ends_well_and_writes_its_rows_when_started_again(
    server: Postgres, launcher: Launcher, digits: dict[str, Any]
) -> None:
    environment = {ENV_DATABASE_URL: server.url}
    server.stop()
    ended = launcher.start("trainingrun_trainer.__main__", digits, environment=environment).wait()
    assert ended.exit_code == EXIT_DONE, ended.output
    assert "are behind the run directory" in ended.output
    assert "secret" not in ended.output
    server.start()
    again = launcher.start("trainingrun_trainer.__main__", digits, environment=environment).wait()
    assert again.exit_code == EXIT_DONE, again.output
    metrics = ended.read("metrics.json")
    assert select(server, "SELECT status, total_epochs_run FROM run") == [("completed", len(metrics))]
    rows = select(server, "SELECT epoch, train_loss, val_recall FROM run_metrics ORDER BY epoch")
    assert rows == [(entry["epoch"], entry["train_loss"], entry["val_recall"]) for entry in metrics]

"""The tables run and run_metrics mirror the run directory, and no database holds training up."""

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.database import rows, tables
from trainingrun_trainer.database.mirror import Mirror
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.logs import LOGGER

RUN = {
    "run_id": "chest-0f1e2d3c",
    "name": "chest",
    "namespace": "team",
    "state": "running",
    "attempts": [{"attempt": 1, "started_at": "2026-01-02T03:04:05Z"}],
}
ENDED = {
    **RUN,
    "state": "completed",
    "attempts": [
        {"attempt": 1, "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:05:05Z"},
        {"attempt": 2, "started_at": "2026-01-02T03:06:05Z", "ended_at": "2026-01-02T03:16:05Z"},
    ],
}
RESULTS = {"training_time": 12.5, "early_stopped": True, "best_epoch": 2, "scores": {"val_recall": 0.9}}


def epoch(number: int, **more: Any) -> dict[str, Any]:
    scores = {"train_loss": 1 / number, "val_loss": None, "val_recall": 0.5, "val_recall_class_a": 0.25}
    measures = {"global_step": 10 * number, "learning_rate": 0.001, "seconds": 1.5}
    return {"epoch": number, "time": "2026-01-02T03:05:00Z", **scores, **measures, **more}


class Directory:
    """The files of a run directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **files: Any) -> "Directory":
        for name, content in files.items():
            (self.path / f"{name}.json").write_text(json.dumps(content))
        return self


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def select(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def select_dicts(path: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def mirrored(directory: Directory, confirmed: Sequence[rows.Row] = ()) -> Sequence[rows.Row]:
    """Write the directory into its run.db, and say what is confirmed then."""
    current = rows.read(directory.path)
    assert current is not None
    tables.write(tables.engine(None, directory.path), current, confirmed)
    return current.epochs


def test_a_directory_without_an_attempt_has_no_rows(directory: Directory) -> None:
    assert rows.read(directory.path) is None


def test_a_run_under_way_has_the_columns_of_its_predecessor(directory: Directory) -> None:
    directory.write(run=RUN, config={"database": {"secretKey": "url"}}, metrics=[epoch(1), epoch(2)])
    mirrored(directory)
    (content,) = select_dicts(directory.path / tables.SQLITE_FILE, "SELECT * FROM run")
    assert content.pop("created_at")
    assert content == {
        "run_id": "chest-0f1e2d3c",
        "run_description": "team/chest",
        "training_mode": "centralized",
        "status": "running",
        "started_at": "2026-01-02 03:04:05.000000",
        "completed_at": None,
        "total_epochs_run": 2,
        "training_time": None,
        "early_stopped": None,
        "results": None,
    }
    query = "SELECT * FROM run_metrics ORDER BY epoch"
    first, second = select_dicts(directory.path / tables.SQLITE_FILE, query)
    assert (first["epoch"], first["client_id"], first["round_id"], first["global_step"]) == (
        1,
        None,
        None,
        10,
    )
    assert (second["train_loss"], second["val_loss"], second["val_recall"]) == (0.5, None, 0.5)
    assert second["val_auroc"] is None
    assert json.loads(second["metrics"])["val_recall_class_a"] == 0.25


def test_an_ended_run_has_its_times_and_results(directory: Directory) -> None:
    directory.write(run=RUN, metrics=[epoch(1)])
    mirrored(directory)
    created = select(directory.path / tables.SQLITE_FILE, "SELECT created_at FROM run")
    directory.write(run=ENDED, metrics=[epoch(1), epoch(2)], results=RESULTS)
    mirrored(directory)
    query = "SELECT status, started_at, completed_at, training_time, early_stopped, total_epochs_run FROM run"
    assert select(directory.path / tables.SQLITE_FILE, query) == [
        ("completed", "2026-01-02 03:04:05.000000", "2026-01-02 03:16:05.000000", 12.5, 1, 2)
    ]
    assert select(directory.path / tables.SQLITE_FILE, "SELECT created_at FROM run") == created


@pytest.mark.parametrize(
    ("context", "mode"),
    [
        ({"clientId": "hospital-3", "roundId": 0}, "federated"),
        ({"roundId": 0}, "federated"),
        ({}, "centralized"),
    ],
)
def test_client_and_round_go_into_every_row(directory: Directory, context: dict[str, Any], mode: str) -> None:
    directory.write(run=RUN, config={"database": context}, metrics=[epoch(1), epoch(2)])
    mirrored(directory)
    expected = (context.get("clientId"), context.get("roundId"))
    query = "SELECT client_id, round_id FROM run_metrics"
    assert select(directory.path / tables.SQLITE_FILE, query) == [expected, expected]
    assert select(directory.path / tables.SQLITE_FILE, "SELECT training_mode FROM run") == [(mode,)]


def test_a_write_can_be_repeated_and_follows_a_resumed_run_back(directory: Directory) -> None:
    """A resumed attempt repeats epochs after its checkpoint: rows of the lost ones go or change."""
    directory.write(run=RUN, metrics=[epoch(1), epoch(2, seconds=1.0), epoch(3)])
    confirmed = mirrored(directory)
    directory.write(metrics=[epoch(1), epoch(2, seconds=9.0)])
    confirmed = mirrored(directory, confirmed)
    mirrored(directory, confirmed)
    query = "SELECT epoch, seconds FROM run_metrics ORDER BY epoch"
    assert select(directory.path / tables.SQLITE_FILE, query) == [(1, 1.5), (2, 9.0)]


def test_runs_of_one_database_do_not_touch_each_other(tmp_path: Path) -> None:
    engine = tables.engine(f"sqlite:///{tmp_path}/team.db", tmp_path)
    for name, count in (("a", 3), ("b", 1)):
        current = rows.rows({**RUN, "run_id": name}, {}, [epoch(number + 1) for number in range(count)], {})
        tables.write(engine, current)
    query = "SELECT run_id, COUNT(*) FROM run_metrics GROUP BY run_id ORDER BY run_id"
    assert select(tmp_path / "team.db", query) == [("a", 3), ("b", 1)]


@pytest.mark.parametrize(
    ("url", "backend"),
    [
        ("postgresql://user:secret@db:5432/team", "postgresql+psycopg"),
        ("postgres://user:secret@db/team?sslmode=require", "postgresql+psycopg"),
        ("postgresql+psycopg2://user@db/team", "postgresql+psycopg"),
        ("sqlite:////data/team.db", "sqlite"),
        ("", "sqlite"),
        (None, "sqlite"),
    ],
)
def test_databases_that_a_url_names(url: str | None, backend: str, tmp_path: Path) -> None:
    assert tables.engine(url, tmp_path).url.drivername == backend


@pytest.mark.parametrize("url", ["mysql://user:secret@db/team", "secret", "://secret"])
def test_what_is_no_url_of_a_known_database_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="TRAININGRUN_DATABASE_URL is") as refused:
        Mirror.of(RunDirectory(tmp_path), {"TRAININGRUN_DATABASE_URL": url})
    assert "secret" not in refused.value.message


class Outage:
    """A database that can be taken away, as the mirror sees it."""

    def __init__(self, write: Callable[..., None]) -> None:
        self.down = True
        self.tries = threading.Semaphore(0)
        self._write = write

    def __call__(self, *arguments: Any) -> None:
        try:
            if self.down:
                raise sa.exc.OperationalError(
                    "INSERT ...", {"password": 1}, OSError("connection refused\nmore")
                )
            self._write(*arguments)
        finally:
            self.tries.release()


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    result = Outage(tables.write)
    monkeypatch.setattr(tables, "write", result)
    return result


def test_rows_are_caught_up_once_the_database_is_back(
    directory: Directory, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", LOGGER.name)
    mirror = Mirror(RunDirectory(directory.path), tables.engine(None, directory.path), retry_seconds=3600)
    directory.write(run=RUN, metrics=[epoch(1)])
    for _ in range(2):
        mirror.changed()
        assert outage.tries.acquire(timeout=30)
    outage.down = False
    directory.write(run=ENDED, metrics=[epoch(1), epoch(2)], results=RESULTS)
    mirror.close(seconds=30)
    assert select(directory.path / tables.SQLITE_FILE, "SELECT COUNT(*) FROM run_metrics") == [(2,)]
    messages = [record.getMessage() for record in caplog.records if "database" in record.getMessage()]
    assert len(messages) == 2
    assert messages[0].endswith("training goes on: connection refused")
    assert "has been caught up" in messages[1]


def test_the_database_is_tried_again_while_an_epoch_lasts(directory: Directory, outage: Outage) -> None:
    directory.write(run=RUN, metrics=[epoch(1)])
    mirror = Mirror(RunDirectory(directory.path), tables.engine(None, directory.path), retry_seconds=0.01)
    mirror.changed()
    for _ in range(3):
        assert outage.tries.acquire(timeout=30)
    outage.down = False
    mirror.close(seconds=30)
    assert select(directory.path / tables.SQLITE_FILE, "SELECT epoch FROM run_metrics") == [(1,)]


def test_a_database_that_stays_away_is_told_of_at_the_end(
    directory: Directory, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    directory.write(run=ENDED, metrics=[epoch(1)])
    mirror = Mirror(RunDirectory(directory.path), tables.engine(None, directory.path))
    mirror.close(seconds=30)
    assert "are behind the run directory" in caplog.messages[-1]


def test_a_database_that_never_answers_does_not_hold_the_end(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(tables, "write", lambda *_: answer.wait())
    directory.write(run=RUN)
    mirror = Mirror(RunDirectory(directory.path), tables.engine(None, directory.path))
    mirror.changed()
    mirror.close(seconds=0.01)
    assert "are behind the run directory" in caplog.messages[-1]
    answer.set()


def test_an_attempt_that_a_later_one_has_fenced_off_writes_no_rows(directory: Directory) -> None:
    run_directory = RunDirectory(directory.path, attempt=1)
    RunDirectory(directory.path, attempt=2).fence.claim()
    directory.write(run=RUN, metrics=[epoch(1)])
    mirror = Mirror(run_directory, tables.engine(None, directory.path))
    mirror.close(seconds=30)
    assert not (directory.path / tables.SQLITE_FILE).exists()

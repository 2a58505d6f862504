"""One database for trainers and consoles: whoever comes first, and whichever version was there before."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.integration.console import history_databases
from tests.integration.console.history_databases import epoch
from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Filter, Run
from trainingrun_console.history.store import History, HistoryError
from trainingrun_trainer.database import rows, tables

history_server = history_databases.history_server
history_url = history_databases.history_url

RUN_ID = "chest-0f1e2d3c"
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = Run(
    run_id=RUN_ID,
    namespace="team",
    name="chest",
    uid="0f1e2d3c-0000-4000-8000-000000000000",
    created_at=TIME,
    phase=Phase.RUNNING,
    project="lungs",
    monitor="val_accuracy",
    epoch=1,
)


def told(epochs: int, state: str = "running", run_id: str = RUN_ID, **results: Any) -> rows.Rows:
    """What a trainer writes."""
    attempt = {"attempt": 1, "started_at": "2026-01-02T03:04:05Z", "ended_at": "2026-01-02T03:14:05Z"}
    name = run_id.rpartition("-")[0]
    run = {"run_id": run_id, "name": name, "namespace": "team", "state": state, "attempts": [attempt]}
    database = {"clientId": "hospital-3", "roundId": 7}
    return rows.rows(run, database, [epoch(number + 1) for number in range(epochs)], results)


@pytest.fixture
def trainer(history_url: str, tmp_path: Path) -> sa.Engine:
    return tables.engine(history_url, tmp_path)


def schema(engine: sa.Engine) -> Mapping[str, Any]:
    """All that can be compared."""
    inspector = sa.inspect(engine)
    return {
        table: {
            "columns": {
                each["name"]: {**each, "type": repr(each["type"])} for each in inspector.get_columns(table)
            },
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "references": [each["referred_table"] for each in inspector.get_foreign_keys(table)],
            "indexes": sorted(str(each["name"]) for each in inspector.get_indexes(table)),
        }
        for table in sorted(set(inspector.get_table_names()) - {"sqlite_stat1", "sqlite_stat4"})
    }


def test_a_run_that_only_a_trainer_told_of_is_one_like_any_other(
    history_url: str, trainer: sa.Engine
) -> None:
    tables.write(trainer, told(2, "completed", training_time=12.5, early_stopped=True))
    with History.open(history_url) as history:
        tables.write(trainer, told(3, "completed", training_time=12.5, early_stopped=True))
        [run] = history.runs(Filter(namespaces=["team"], phases=[Phase.COMPLETED], text="chest"), "name").runs
        assert (run.namespace, run.name, run.uid) == ("team", "chest", "0f1e2d3c")
        assert (run.phase, run.epoch, run.training_mode) == (Phase.COMPLETED, 3, "federated")
        assert (run.training_time, run.early_stopped) == (12.5, True)
        assert (run.started_at, run.completed_at) == (TIME, TIME + timedelta(minutes=10))
        assert run.created_at.tzinfo is UTC
        assert history.run(RUN_ID) == run
        assert history.epochs(RUN_ID) == [epoch(1), epoch(2), epoch(3)]
        assert history.prune(None, 0, datetime.now(UTC)) == 1


@pytest.mark.parametrize(
    ("state", "phase"),
    [("running", "Running"), ("completed", "Completed"), ("failed", "Failed"), ("interrupted", "Pending")],
)
def test_the_phase_of_a_trainers_run_follows_its_state(
    history_url: str, trainer: sa.Engine, state: str, phase: str
) -> None:
    with History.open(history_url) as history:
        tables.write(trainer, told(1, state))
        assert [run.phase for run in history.runs(Filter(phases=[Phase(phase)])).runs] == [phase]


@pytest.mark.parametrize("run_id", ["a", "no-uid", "-", "12345678-", "averylongnamewithoutany"])
def test_whatever_a_trainer_calls_its_run_it_can_write_it(
    history_url: str, trainer: sa.Engine, run_id: str
) -> None:
    with History.open(history_url) as history:
        tables.write(trainer, told(1, run_id=run_id))
        assert [run.run_id for run in history.runs(Filter(), "name").runs] == [run_id]


@pytest.mark.parametrize("first", ["trainer", "console"])
def test_trainer_and_console_complete_each_other(history_url: str, trainer: sa.Engine, first: str) -> None:
    if first == "trainer":
        tables.write(trainer, told(1))
    with History.open(history_url) as history:
        history.save(RUN)
        assert history.save_epochs(RUN_ID, [epoch(1)]) == ([] if first == "trainer" else [1])
        tables.write(trainer, told(2))
        assert history.save_epochs(RUN_ID, [epoch(1), epoch(2)]) == []
        tables.write(trainer, told(2, "completed", training_time=12.5))
        run = history.run(RUN_ID)
        assert run is not None
        assert (run.phase, run.project, run.training_time) == (Phase.RUNNING, "lungs", 12.5)
        assert run.created_at == TIME
        history.save(RUN)
        with trainer.connect() as connection:
            stored = connection.execute(sa.select(tables.RUN_METRICS.c.epoch, tables.RUN_METRICS.c.client_id))
            assert stored.all() == [(1, "hospital-3"), (2, "hospital-3")]


def test_trainer_and_console_write_at_once(history_url: str, trainer: sa.Engine) -> None:
    with History.open(history_url) as history:
        history.save(RUN)

        def write(place: int) -> None:
            for number in range(1, 16):
                if place % 2:
                    tables.write(trainer, told(15))
                else:
                    history.save_epochs(RUN_ID, [epoch(number)])
                    history.save(RUN)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        assert history.epochs(RUN_ID) == [epoch(number) for number in range(1, 16)]


def test_pages_pass_runs_that_the_database_dated_itself(history_url: str, trainer: sa.Engine) -> None:
    """SQLite's own time has no fraction where SQLAlchemy writes one of zeros."""
    with History.open(history_url) as history:
        for number in range(5):
            tables.write(trainer, told(1, "completed", run_id=f"chest-{number:08x}"))
        for sort in ("created_at", "-created_at", "completed_at", "-completed_at"):
            seen: list[str] = []
            cursor: str | None = None
            while True:
                page = history.runs(Filter(), sort, cursor, limit=2)
                seen += [run.run_id for run in page.runs]
                if not (cursor := page.next_cursor):
                    break
            assert sorted(seen) == [f"chest-{number:08x}" for number in range(5)], sort


def test_the_schema_is_the_same_whoever_came_first(history_url: str, trainer: sa.Engine) -> None:
    tables.write(trainer, told(1))
    bare = schema(trainer)
    History.open(history_url).close()
    adopted = schema(trainer)
    for table in ("run", "run_metrics"):
        kept = {name: adopted[table]["columns"][name] for name in bare[table]["columns"]}
        assert kept == bare[table]["columns"]
    with trainer.begin() as connection:
        for table in ("run_event", "run_attempt", "run_detail", "run_metrics", "run", "alembic_version"):
            connection.execute(sa.text(f"DROP TABLE {table}"))
    History.open(history_url).close()
    assert schema(trainer) == adopted
    History.open(history_url).close()
    assert schema(trainer) == adopted


def test_consoles_and_trainers_that_start_at_once_do_not_break_each_other(
    history_url: str, trainer: sa.Engine
) -> None:
    def start(place: int) -> None:
        if place % 2:
            History.open(history_url).close()
            return
        for tries_left in reversed(range(20)):  # as the trainer's own mirror does
            try:
                tables.write(trainer, told(3))
                return
            except sa.exc.SQLAlchemyError:
                assert tries_left, "the trainer cannot write"

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(start, range(6)))
    with History.open(history_url) as history:
        assert history.last_epoch(RUN_ID) == 3


def test_a_newer_schema_is_refused_and_left_as_it_is(history_url: str, trainer: sa.Engine) -> None:
    with History.open(history_url) as history:
        history.save(RUN)
    with trainer.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    before = schema(trainer)
    with pytest.raises(HistoryError, match=r"newer console \(schema 9999, this one knows 0002\)") as refused:
        History.open(history_url)
    assert "secret" not in str(refused.value)
    assert schema(trainer) == before

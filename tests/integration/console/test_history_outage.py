"""A database that goes away, comes back, or never was one."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import psycopg
import pytest

from tests.integration.console.history_databases import epoch
from tests.integration.trainer.postgres import Postgres, postgres
from trainingrun_console.history import database
from trainingrun_console.history.records import Filter, Run
from trainingrun_console.history.store import History, HistoryError

RUN = Run(
    run_id="chest-0f1e2d3c", namespace="team", name="chest", uid="0f1e2d3c-0",
    created_at=datetime(2026, 1, 2, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@contextmanager
def stopped(server: Postgres) -> Iterator[None]:
    """Connections are refused."""
    server.stop()
    yield
    server.start()


@contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """Connections are taken, those that are open stay so, and nothing is ever answered."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'trainingrun-console'"
    with psycopg.connect(server.url) as connection:
        processes = [pid for (pid,) in connection.execute(query)]
    assert processes
    server.pause()
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
        server.go_on()


@pytest.mark.parametrize("away", [stopped, frozen])
def test_a_call_fails_with_words_while_the_database_is_away_and_works_again_afterwards(
    server: Postgres,
    away: Callable[[Postgres], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "SILENCE_SECONDS", 2.0)
    monkeypatch.setattr(database, "CONNECT_SECONDS", 2)
    with History.open(server.url) as history:
        history.save(RUN)
        with away(server):
            for ask in (lambda: history.runs(Filter()), lambda: history.save_epochs(RUN.run_id, [epoch(1)])):
                began = monotonic()
                with pytest.raises(
                    HistoryError, match="the history's database postgresql://trainer:"
                ) as told:
                    ask()
                assert monotonic() - began < 30
                assert "secret" not in str(told.value)
        assert history.save_epochs(RUN.run_id, [epoch(1)]) == [1]
        assert history.save(replace(RUN, percent=5))
        assert history.last_epoch(RUN.run_id) == 1


def test_connections_cut_while_idle_cost_no_call(server: Postgres) -> None:
    with History.open(server.url) as history:
        history.save(RUN)
        server.stop()
        server.start()
        assert history.run(RUN.run_id) is not None


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "URL is none"),
        ("secret", "URL is none"),
        ("postgresql://trainer:secret@127.0.0.1:port/name", "URL is none"),
        ("mysql://trainer:secret@127.0.0.1/name", "of the kind mysql: write postgresql://"),
        ("sqlite://", "keeps no history: write postgresql://"),
        ("sqlite:///{tmp_path}/nowhere/history.db", "no directory .*/nowhere for .*history.db: make it"),
        ("sqlite:///{tmp_path}", "cannot be used: unable to open"),
        ("sqlite:///{tmp_path}/text", "cannot be used: file is not a database"),
        ("postgresql://trainer:secret@127.0.0.1:1/name", "cannot be used: .*refused"),
    ],
)
def test_what_is_no_database_is_refused_with_words(tmp_path: Path, url: str, told: str) -> None:
    (tmp_path / "text").write_text("This is a text and not a database, however long one reads on.\n" * 100)
    with pytest.raises(HistoryError, match=told) as refused:
        History.open(url.format(tmp_path=tmp_path))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_locked_for_long_is_told_and_used_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    url = f"sqlite:///{tmp_path}/history.db"
    with History.open(url) as history:
        other = database.Database(url)
        with other.writing():
            assert history.run(RUN.run_id) is None, "readers do not wait"
            with pytest.raises(HistoryError, match="cannot be used: database is locked"):
                history.save(RUN)
        other.close()
        assert history.save(RUN)

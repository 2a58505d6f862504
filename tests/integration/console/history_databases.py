"""A history of a test's own, on SQLite and on PostgreSQL: `history_url` runs each test once on either."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.trainer.postgres import Postgres, postgres
from trainingrun_console.history.store import History

NUMBERS = count(1)


@pytest.fixture(scope="session")
def history_server() -> Iterator[Postgres]:
    """One server for all tests that leave it running."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    return new_database(request.getfixturevalue("history_server"))


def new_database(server: Postgres) -> str:
    """Its URL."""
    name = f"history_{next(NUMBERS)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server.url.rpartition('/')[0]}/{name}"


@pytest.fixture
def history(history_url: str) -> Iterator[History]:
    """Open, on that database."""
    with History.open(history_url) as opened:
        yield opened


def epoch(number: int, **more: Any) -> dict[str, Any]:
    """As it stands in metrics.json."""
    return {
        "epoch": number,
        "global_step": 10 * number,
        "train_loss": 1 / number,
        "val_loss": None,
        "val_accuracy": number / 100,
        "val_recall_class_a": 0.25,
        "learning_rate": 0.001,
        "seconds": 1.5,
        "samples_per_second": 100.25,
        "time": "2026-01-02T03:05:00Z",
        **more,
    }

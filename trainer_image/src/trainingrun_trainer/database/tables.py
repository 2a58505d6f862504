"""The tables run and run_metrics by SQLAlchemy, and how rows get into them.

Every write is an upsert in one transaction, so it can be done again after any failure. Connections are not
kept: one serves one write, so none breaks while nobody looks.
"""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from trainingrun_api import names
from trainingrun_trainer.database.rows import MEASURES, SCORES, Row, Rows
from trainingrun_trainer.errors import BadConfig

SQLITE_FILE = "run.db"
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10

METADATA = sa.MetaData()
_TIME = sa.DateTime(timezone=True)
RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("run_description", sa.Text),
    sa.Column("training_mode", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
    sa.Column("started_at", _TIME),
    sa.Column("completed_at", _TIME),
    sa.Column("total_epochs_run", sa.Integer),
    sa.Column("training_time", sa.Double),
    sa.Column("early_stopped", sa.Boolean),
    sa.Column("results", sa.JSON(none_as_null=True)),
)
RUN_METRICS = sa.Table(
    "run_metrics",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey(RUN.c.run_id), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("client_id", sa.Text),
    sa.Column("round_id", sa.Integer),
    sa.Column("time", _TIME),
    *(sa.Column(name, sa.Integer if name == "global_step" else sa.Double) for name in (*MEASURES, *SCORES)),
    sa.Column("metrics", sa.JSON),
)


def engine(url: str | None, directory: Path) -> sa.Engine:
    """The database of a URL, or the SQLite file of the run directory.

    Raises:
        BadConfig: the URL is none, or that of another kind of database. The message does not quote it: it
            holds a password.
    """
    if not url:
        return _sqlite(sa.URL.create("sqlite", database=str(directory / SQLITE_FILE)))
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise BadConfig(f"{names.ENV_DATABASE_URL} is no URL of a database", ADVICE) from error
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            return _sqlite(parsed)
        case "postgresql" | "postgres":
            return sa.create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                poolclass=sa.NullPool,
                connect_args={
                    "connect_timeout": CONNECT_SECONDS,
                    "tcp_user_timeout": STATEMENT_SECONDS * 1000,
                    "application_name": "trainingrun",
                },
            )
        case other:
            raise BadConfig(f"{names.ENV_DATABASE_URL} is of a {other} database", ADVICE)


ADVICE = (
    "Write postgresql://user:password@host:5432/name into the key training.database.secretKey of the Secret "
    "training.database.secretName."
)


def _sqlite(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": CONNECT_SECONDS})


def write(database: sa.Engine, rows: Rows, confirmed: Sequence[Row] = ()) -> None:
    """Write a run, and those of its epochs that are not `confirmed` as they are; rows of epochs that it no
    longer has go.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: nothing was written.
    """
    with database.begin() as connection:
        if database.dialect.name == "postgresql":
            connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
        METADATA.create_all(connection)
        _upsert(connection, RUN, [rows.run])
        of_run = RUN_METRICS.c.run_id == rows.run["run_id"]
        connection.execute(sa.delete(RUN_METRICS).where(of_run, RUN_METRICS.c.epoch > len(rows.epochs)))
        known = {row["epoch"]: row for row in confirmed}
        if unconfirmed := [row for row in rows.epochs if known.get(row["epoch"]) != row]:
            _upsert(connection, RUN_METRICS, unconfirmed)


def _upsert(connection: sa.Connection, table: sa.Table, rows: list[Row]) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=others), rows)

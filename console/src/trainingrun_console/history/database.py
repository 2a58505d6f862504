"""A database by its URL: connections, transactions, and errors in plain words.

SQLite is for one machine: one writer at a time, any number of readers beside it (WAL). PostgreSQL is for a
cluster: several consoles and all trainers.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry

from trainingrun_console.history.columns import load_json
from trainingrun_console.history.errors import HistoryError
from trainingrun_console.history.watchdog import Watchdog

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
WAIT_SECONDS = 10
"""For a connection of the pool, and for another writer of SQLite."""
SILENCE_SECONDS = 15.0
"""After which PostgreSQL is given up; more than its own limit of a statement."""
MIGRATION_SECONDS = 300
MAPPED_BYTES = 256 << 20
"""Of SQLite's file: a search reads all runs, which would not fit into the cache of each connection."""
SAMPLED_ROWS = 400
POOL, OVERFLOW = 8, 8
ADVICE = "write postgresql://user:password@host:5432/name, or sqlite:////directory/history.db"


class Database:
    """Threads may share it."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet.

        Raises:
            HistoryError: the URL is none, or of another kind of database. It is not quoted, for it holds a
                password.
        """
        self._url = _parsed(url)
        self._watchdog: Watchdog | None = None
        if self.sqlite:
            self._engine = _sqlite(self._url)
        else:
            self._watchdog = Watchdog(SILENCE_SECONDS)
            self._engine = _postgresql(self._url, self._watchdog)
        self._writer = self._engine.execution_options(writing=True)

    @property
    def sqlite(self) -> bool:
        """Else PostgreSQL."""
        return self._url.drivername == "sqlite"

    @property
    def place(self) -> str:
        """For people."""
        return self._url.set(drivername=self._url.get_backend_name()).render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read from. Raises HistoryError for what goes wrong within."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction, done as a whole or not at all. Raises HistoryError for what goes wrong within."""
        with self._translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """A transaction with time enough to make tables anew. Raises SQLAlchemy's own errors."""
        if self.sqlite:
            with self._writer.begin() as connection:
                yield connection
            return
        engine = _postgresql(self._url, None)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def analyze(self) -> None:
        """Tell SQLite's planner what the indexes hold, in some milliseconds; PostgreSQL does so by itself.

        Raises:
            HistoryError: as always.
        """
        if self.sqlite:
            with self.writing() as connection:
                connection.exec_driver_sql(f"PRAGMA analysis_limit = {SAMPLED_ROWS}")
                connection.exec_driver_sql("ANALYZE")

    def error(self, error: sa.exc.SQLAlchemyError) -> HistoryError:
        """In plain words."""
        return HistoryError(f"the history's database {self.place} cannot be used: {_reason(error)}")

    def close(self) -> None:
        """Close all connections that nobody uses."""
        self._engine.dispose()
        if self._watchdog:
            self._watchdog.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise self.error(error) from error


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise HistoryError(f"the history's database URL is none: {ADVICE}") from error
    match parsed.drivername.partition("+")[0]:
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise HistoryError(f"SQLite in memory keeps no history: {ADVICE}")
            if not (folder := Path(parsed.database).absolute().parent).is_dir():
                raise HistoryError(f"there is no directory {folder} for {parsed.database}: make it")
            return parsed.set(drivername="sqlite")
        case other:
            raise HistoryError(f"the history's database is of the kind {other}: {ADVICE}")


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=WAIT_SECONDS,
        json_deserializer=load_json,
        connect_args={"timeout": WAIT_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver would begin transactions where it thinks fit
        connection.execute("PRAGMA foreign_keys = ON")
        with suppress(sqlite3.Error):  # somebody else holds the file, or it is none: the next statement tells
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
            connection.execute("PRAGMA synchronous = NORMAL")  # in WAL a crash costs no consistency

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        # one that first reads and then writes would be refused if another wrote meanwhile, without any wait
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(url: sa.URL, watchdog: Watchdog | None) -> sa.Engine:
    """With a watchdog for use, without for migrations."""
    seconds = STATEMENT_SECONDS if watchdog else MIGRATION_SECONDS
    engine = sa.create_engine(
        url,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=WAIT_SECONDS,
        json_deserializer=load_json,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": seconds * 1000,
            "application_name": "trainingrun-console",
            "options": f"{url.query.get('options', '')} -c statement_timeout={seconds}s".strip(),
        },
    )
    if watchdog:
        _watch(engine, watchdog)
    return engine


def _watch(engine: sa.Engine, watchdog: Watchdog) -> None:
    """Every statement under the watchdog, and before them the ping with which the use of a connection begins.

    The pool's own pre-ping comes before any event, so it could wait forever.
    """

    @sa.event.listens_for(engine, "checkout")
    def taken(connection: Any, record: ConnectionPoolEntry, proxy: object) -> None:
        try:
            watchdog.arm(connection, connection.fileno())
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            watchdog.disarm(connection)
            raise sa.exc.DisconnectionError(str(error)) from error

    @sa.event.listens_for(engine, "before_cursor_execute")
    def asked(connection: sa.Connection, cursor: Any, *statement: object) -> None:
        watchdog.arm(cursor.connection, cursor.connection.fileno())

    @sa.event.listens_for(engine, "checkin")
    def returned(connection: Any, record: ConnectionPoolEntry) -> None:
        watchdog.disarm(connection)

    @sa.event.listens_for(engine, "invalidate")
    def lost(connection: Any, record: ConnectionPoolEntry, error: BaseException | None) -> None:
        watchdog.disarm(connection)


def _reason(error: sa.exc.SQLAlchemyError) -> str:
    """The first line of the database's own words; SQLAlchemy adds the statement with its values."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().partition("\n")[0] or type(cause).__name__

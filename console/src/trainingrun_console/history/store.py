"""The way into the tables and out of them."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from trainingrun_api.reasons import Phase
from trainingrun_console.history import migrating, pages, reading, retention, writing
from trainingrun_console.history.database import Database
from trainingrun_console.history.errors import HistoryError
from trainingrun_console.history.records import Attempt, Epoch, Event, Filter, Page, Run

__all__ = ["History", "HistoryError"]


class History:
    """All runs that were ever seen, in one database. Threads and processes may share it.

    Every method raises HistoryError where the database cannot be used; it then has changed nothing, and may
    be called again. What is saved for a run that is not known (it was forgotten meanwhile) is not kept.
    """

    def __init__(self, database: Database) -> None:
        """Use `open`."""
        self._database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """The history in a database, whose tables are made or brought up to date.

        Args:
            url: postgresql://user:password@host:5432/name, or sqlite:////directory/history.db.

        Raises:
            HistoryError: there is no such database, or a newer console has changed it.
        """
        database = Database(url)
        try:
            migrating.migrate(database)
            database.analyze()
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, run_id: str) -> Run | None:
        """All of one run."""
        with self._database.reading() as connection:
            return reading.one(connection, run_id)

    def runs(
        self, filter: Filter, sort: str = "-created_at", cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Some runs without their `object`, which is empty here: it is as long as all the rest.

        Args:
            sort: one of SORTS; runs without a value there come last, in either order.
            cursor: `next_cursor` of the page before.
            limit: 1 to 500.

        Raises:
            ValueError: the sort, the cursor, the limit or the length of the text is wrong; the text says what
                would be right.
        """
        order = pages.Order.of(sort)
        place = None if cursor is None else pages.decode(order, cursor)
        pages.check(limit)
        reading.check(filter)
        with self._database.reading() as connection:
            return reading.page(connection, filter, order, place, limit)

    def count(self, filter: Filter) -> dict[Phase, int]:
        """How many runs are in each phase, 0 included. Raises ValueError for a text that is too long."""
        reading.check(filter)
        with self._database.reading() as connection:
            return reading.count(connection, filter)

    def epochs(self, run_id: str, after: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Records as in metrics.json, ascending, from the number after that one on."""
        with self._database.reading() as connection:
            return reading.epochs(connection, run_id, after, limit)

    def last_epoch(self, run_id: str) -> int:
        """The highest number that is stored; 0 without any."""
        with self._database.reading() as connection:
            return reading.last_epoch(connection, run_id)

    def attempts(self, run_id: str) -> list[Attempt]:
        """Those that ended, by number."""
        with self._database.reading() as connection:
            return reading.attempts(connection, run_id)

    def events(self, run_id: str) -> list[Event]:
        """By time."""
        with self._database.reading() as connection:
            return reading.events(connection, run_id)

    def namespaces(self) -> list[str]:
        """In which runs are or were; sorted."""
        with self._database.reading() as connection:
            return reading.namespaces(connection)

    def projects(self, namespaces: Sequence[str] | None) -> list[str]:
        """Of these namespaces, or of all; sorted."""
        with self._database.reading() as connection:
            return reading.projects(connection, namespaces)

    def save(self, run: Run) -> bool:
        """Insert or update a run; whether something changed.

        What was known of results, artifacts, provenance, early stopping, training time, deletion and object
        stays where the run does not tell it.
        """
        with self._database.writing() as connection:
            return writing.save(connection, run)

    def save_epochs(self, run_id: str, epochs: Sequence[Epoch]) -> list[int]:
        """Insert or replace epochs; the numbers of those that were new or differ."""
        with self._database.writing() as connection:
            return writing.save_epochs(connection, run_id, epochs)

    def drop_epochs(self, run_id: str, above: int) -> None:
        """Forget epochs of a higher number, which a later attempt trains anew."""
        with self._database.writing() as connection:
            writing.drop_epochs(connection, run_id, above)

    def save_attempts(self, run_id: str, attempts: Sequence[Attempt]) -> None:
        """Insert or replace; those of other numbers stay."""
        with self._database.writing() as connection:
            writing.save_attempts(connection, run_id, attempts)

    def save_events(self, run_id: str, events: Sequence[Event]) -> None:
        """Insert or replace; those of other uids stay."""
        with self._database.writing() as connection:
            writing.save_events(connection, run_id, events)

    def mark_deleted(self, run_id: str, when: datetime) -> None:
        """The TrainingRun is gone; of several times the first one counts."""
        with self._database.writing() as connection:
            writing.mark_deleted(connection, run_id, when)

    def prune(self, keep_days: int | None, keep_runs: int | None, now: datetime) -> int:
        """Forget finished runs: those that ended more than so many days ago, and all but the newest so many.

        To be called now and then even where all are kept: questions to SQLite stay quick by it.

        Returns:
            How many were forgotten; runs that are not finished never are.
        """
        forgotten = retention.prune(self._database, keep_days, keep_runs, now)
        self._database.analyze()
        return forgotten

"""Keeps the tables up with the run directory, from a thread of its own: training never waits for a database.

A write that fails is told once, and done again at the next epoch or some seconds later, with all that has
come meanwhile. Only the end of the process waits, and not for long.
"""

from collections.abc import Mapping, Sequence
from threading import Event, Thread

import pytorch_lightning as pl
import sqlalchemy as sa

from trainingrun_api import names
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.database import rows, tables
from trainingrun_trainer.errors import Fenced
from trainingrun_trainer.logs import LOGGER

RETRY_SECONDS = 30.0
CLOSE_SECONDS = 10.0


class Mirror(pl.Callback):
    """Writes after each epoch what the run directory says then."""

    def __init__(
        self, directory: RunDirectory, database: sa.Engine, *, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._directory = directory
        self._database = database
        self._retry_seconds = retry_seconds
        self._confirmed: Sequence[rows.Row] = ()
        self._behind = False
        self._closing = False
        self._changed = Event()
        self._thread = Thread(target=self._run, name="database", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, directory: RunDirectory, environment: Mapping[str, str]) -> "Mirror":
        """The database that the operator names, or SQLite in the run directory.

        Raises:
            BadConfig: what the operator passed on is no URL of a known database.
        """
        return cls(directory, tables.engine(environment.get(names.ENV_DATABASE_URL), directory.path))

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.changed()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.changed()

    def changed(self) -> None:
        """The run directory says more than before. Returns at once."""
        self._changed.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is left, with one last try that may take so long."""
        self._closing = True
        self.changed()
        self._thread.join(seconds)
        if self._behind or self._thread.is_alive():
            LOGGER.warning(
                "the tables run and run_metrics at %s are behind the run directory, which has it all",
                self._place,
            )

    @property
    def _place(self) -> str:
        return self._database.url.render_as_string(hide_password=True)

    def _run(self) -> None:
        while not self._closing or self._changed.is_set():
            self._changed.wait(self._retry_seconds if self._behind else None)
            self._changed.clear()
            self._try()

    def _try(self) -> None:
        try:
            self._directory.fence.check()
            current = rows.read(self._directory.path)
            if current is None:
                return
            tables.write(self._database, current, self._confirmed)
        except Fenced:  # a later attempt writes the rows
            self._closing = True
            return
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a database, training goes on
            if not self._behind:
                LOGGER.warning(
                    "cannot write to the database %s, training goes on: %s", self._place, _reason(error)
                )
            self._behind = True
            return
        if self._behind:
            LOGGER.info("the database %s has been caught up", self._place)
        self._behind = False
        self._confirmed = current.epochs


def _reason(error: Exception) -> str:
    """The first line of the database's own words; SQLAlchemy adds the statement with its values."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__

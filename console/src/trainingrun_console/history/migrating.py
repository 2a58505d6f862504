"""Brings a database to the schema of this version of the console, whatever stands in it.

Consoles that start at once wait for each other; what one of them did, the others find done. Tables that a
trainer made before the first console are taken over.
"""

from pathlib import Path
from threading import Lock
from time import sleep

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from trainingrun_console.history.database import Database
from trainingrun_console.history.errors import HistoryError

ADVISORY_LOCK = 0x7472_6169_6E72_756E
"""Of PostgreSQL: one number for all consoles."""
TRIES = 5
PAUSE_SECONDS = 0.2

_LOCK = Lock()
"""Alembic's `op` is one for the whole process."""


def migrate(database: Database) -> None:
    """Make or change the tables, in one transaction.

    Raises:
        HistoryError: the database cannot be used, or a newer console has changed it already.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            with _LOCK, database.migrating() as connection:
                _upgrade(connection, database.place)
            return
        except (sa.exc.IntegrityError, sa.exc.ProgrammingError) as error:
            # a trainer made the same table meanwhile: CREATE TABLE IF NOT EXISTS fails there all the same
            if not tries_left:
                raise database.error(error) from error
            sleep(PAUSE_SECONDS)
        except sa.exc.SQLAlchemyError as error:
            raise database.error(error) from error


def _upgrade(connection: sa.Connection, place: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    for stored in MigrationContext.configure(connection).get_current_heads():
        if stored not in known:
            raise HistoryError(
                f"the history's database {place} is of a newer console (schema {stored}, this one knows"
                f" {known[0]}): start that version, or name another database"
            )
    command.upgrade(config, "head")

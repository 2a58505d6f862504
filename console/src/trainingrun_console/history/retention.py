"""Which runs are forgotten: finished ones only, by age and by number."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from trainingrun_console.history import writing
from trainingrun_console.history.database import Database
from trainingrun_console.history.reading import FINISHED
from trainingrun_console.history.tables import RUN

BATCH = 50
"""Runs in one transaction, with some thousands of epochs: trainers that write meanwhile wait no longer."""
ENDED = sa.func.coalesce(RUN.c.completed_at, RUN.c.deleted_at, RUN.c.created_at, type_=RUN.c.created_at.type)


def prune(database: Database, keep_days: int | None, keep_runs: int | None, now: datetime) -> int:
    """How many were forgotten. A run that is written to just then stays until the next time."""
    surplus = []
    if keep_days is not None:
        surplus.append(sa.literal(now - timedelta(days=keep_days), RUN.c.created_at.type) > ENDED)
    if keep_runs is not None:
        newest_first = sa.select(RUN.c.run_id).where(FINISHED).order_by(ENDED.desc(), RUN.c.run_id.desc())
        surplus.append(RUN.c.run_id.in_(newest_first.offset(keep_runs)))
    if not surplus:
        return 0
    # a run that is retried meanwhile is not finished any more when its row is locked
    query = sa.select(RUN.c.run_id).where(FINISHED, sa.or_(*surplus)).order_by(RUN.c.run_id).limit(BATCH)
    forgotten = 0
    while True:
        with database.writing() as connection:
            run_ids = list(connection.execute(query.with_for_update(skip_locked=True)).scalars())
            writing.delete(connection, run_ids)
        forgotten += len(run_ids)
        if len(run_ids) < BATCH:
            return forgotten

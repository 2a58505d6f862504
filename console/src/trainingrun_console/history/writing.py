"""Changes of the database, each in a transaction that the caller opened, each of which can be done again.

Whoever writes what belongs to a run locks its row of `run` first, trainers as well: of two who write one run
one waits for the other, and never both.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from trainingrun_console.history import rows, sparkline
from trainingrun_console.history.columns import Json, number
from trainingrun_console.history.reading import fetched
from trainingrun_console.history.records import Attempt, Epoch, Event, Run
from trainingrun_console.history.tables import OF_A_RUN, RUN, RUN_ATTEMPT, RUN_DETAIL, RUN_EVENT, RUN_METRICS

KEPT = frozenset((
    RUN.c.total_epochs_run, RUN.c.training_time, RUN.c.early_stopped, RUN.c.results, RUN.c.deleted_at,
    RUN_DETAIL.c.artifacts, RUN_DETAIL.c.provenance, RUN_DETAIL.c.object,
    RUN_METRICS.c.client_id, RUN_METRICS.c.round_id,
))  # fmt: skip
"""What is known once stays known: None does not overwrite it."""


def save(connection: sa.Connection, run: Run) -> bool:
    """Whether something changed."""
    row = {**rows.of_run(run), "updated_at": datetime.now(UTC)}
    changed = _upsert(connection, RUN, [row], besides=("updated_at",))
    changed |= _upsert(connection, RUN_DETAIL, [rows.of_detail(run)])
    if changed:
        _draw(connection, run.run_id, run.monitor)
    return changed


def save_epochs(connection: sa.Connection, run_id: str, epochs: Sequence[Epoch]) -> list[int]:
    """The numbers of those that were not stored, or otherwise."""
    run = _locked(connection, run_id)
    found = rows.of_epochs(epochs)
    if run is None or not found:
        return []
    between = RUN_METRICS.c.epoch.between(min(found), max(found))
    query = sa.select(RUN_METRICS).where(RUN_METRICS.c.run_id == run_id, between)
    stored = {row["epoch"]: row for row in fetched(connection, query)}
    new = {
        place: row
        for place, row in sorted(found.items())
        if place not in stored or any(stored[place][name] != value for name, value in row.items())
    }
    if new:
        of_run = {"run_id": run_id, "client_id": run["client_id"], "round_id": run["round_id"]}
        _upsert(connection, RUN_METRICS, [{**of_run, **row} for row in new.values()])
        _draw(connection, run_id, run["monitor"])
    return list(new)


def drop_epochs(connection: sa.Connection, run_id: str, above: int) -> None:
    """Those of a higher number."""
    run = _locked(connection, run_id)
    beyond = sa.delete(RUN_METRICS).where(RUN_METRICS.c.run_id == run_id, RUN_METRICS.c.epoch > above)
    if run is not None and connection.execute(beyond).rowcount:
        _draw(connection, run_id, run["monitor"])


def save_attempts(connection: sa.Connection, run_id: str, attempts: Sequence[Attempt]) -> None:
    """By number."""
    if attempts and _locked(connection, run_id) is not None:
        _upsert(connection, RUN_ATTEMPT, [rows.of_attempt(run_id, each) for each in attempts])


def save_events(connection: sa.Connection, run_id: str, events: Sequence[Event]) -> None:
    """By uid."""
    if events and _locked(connection, run_id) is not None:
        _upsert(connection, RUN_EVENT, [rows.of_event(run_id, each) for each in events])


def mark_deleted(connection: sa.Connection, run_id: str, when: datetime) -> None:
    """The first time counts."""
    known = sa.update(RUN).where(RUN.c.run_id == run_id, RUN.c.deleted_at.is_(None))
    connection.execute(known.values(deleted_at=when, updated_at=datetime.now(UTC)))


def delete(connection: sa.Connection, run_ids: Sequence[str]) -> None:
    """Runs whose rows the caller has locked, with all that belongs to them."""
    for table in OF_A_RUN:
        connection.execute(sa.delete(table).where(table.c.run_id.in_(run_ids)))
    connection.execute(sa.delete(RUN).where(RUN.c.run_id.in_(run_ids)))


def _locked(connection: sa.Connection, run_id: str) -> Mapping[str, Any] | None:
    """What epochs need of their run, whose row nobody else changes until the transaction ends."""
    query = sa.select(RUN.c.monitor, RUN.c.client_id, RUN.c.round_id).where(RUN.c.run_id == run_id)
    return next(iter(fetched(connection, query.with_for_update(key_share=True))), None)


def _upsert(
    connection: sa.Connection, table: sa.Table, values: Sequence[rows.Row], besides: Sequence[str] = ()
) -> bool:
    """Insert rows, or update those that differ in other columns than `besides`. Of one row: whether it
    changed."""
    statement = _statement(connection.dialect.name, table, tuple(values[0]), tuple(besides))
    done = connection.execute(statement, list(values), execution_options={"preserve_rowcount": True})
    return done.rowcount > 0


@cache
def _statement(dialect: str, table: sa.Table, names: Sequence[str], besides: Sequence[str]) -> sa.Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table)
    columns = [table.c[name] for name in names if not table.c[name].primary_key]
    after = {
        column.name: sa.func.coalesce(statement.excluded[column.name], column, type_=column.type)
        if column in KEPT
        else statement.excluded[column.name]
        for column in columns
    }
    differs = [
        _comparable(table.c[name], table.c[name]).is_distinct_from(_comparable(table.c[name], value))
        for name, value in after.items()
        if name not in besides
    ]
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key), set_=after, where=sa.or_(*differs)
    )


def _comparable(column: sa.Column[Any], value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """PostgreSQL compares its JSON as text only."""
    return sa.cast(value, sa.Text) if isinstance(column.type, Json) else value


def _draw(connection: sa.Connection, run_id: str, monitor: str | None) -> None:
    """Make the sparkline anew: few epochs are read, however many there are."""
    points = []
    if monitor is not None:
        of_run = RUN_METRICS.c.run_id == run_id
        known = sa.select(RUN_METRICS.c.epoch).where(of_run).order_by(RUN_METRICS.c.epoch)
        chosen = sparkline.chosen(list(connection.execute(known).scalars()))
        query = sa.select(RUN_METRICS.c.metrics).where(of_run, RUN_METRICS.c.epoch.in_(chosen))
        metrics = connection.execute(query.order_by(RUN_METRICS.c.epoch)).scalars()
        values = [number((each or {}).get(monitor)) for each in metrics]
        points = [value for value in values if value is not None]
    drawn = sa.update(RUN).where(RUN.c.run_id == run_id)
    connection.execute(drawn.values(sparkline=points, updated_at=datetime.now(UTC)))

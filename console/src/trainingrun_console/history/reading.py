"""Questions to the database, each on a connection that the caller opened."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from trainingrun_api.reasons import Phase
from trainingrun_console.history import pages, rows
from trainingrun_console.history.columns import Text, Time
from trainingrun_console.history.records import Attempt, Event, Filter, Page, Run
from trainingrun_console.history.tables import MEASURES, RUN, RUN_ATTEMPT, RUN_DETAIL, RUN_EVENT, RUN_METRICS

LONGEST_TEXT = 200
"""Characters that may be searched for."""
OVER = (Phase.COMPLETED, Phase.FAILED)

RECORD = [RUN_METRICS.c[name] for name in ("epoch", "global_step", "time", "metrics", *MEASURES)]
"""Of an epoch, whose `metrics` hold what stands in columns of its own as well."""
FINISHED = sa.or_(RUN.c.deleted_at.is_not(None), RUN.c.phase.in_(OVER))
LISTED = (*RUN.c, RUN_DETAIL.c.artifacts, RUN_DETAIL.c.provenance)
"""Of a run on a page: all but its object."""


def fetched(connection: sa.Connection, query: sa.Select[Any]) -> list[rows.Row]:
    """All rows."""
    return [row._asdict() for row in connection.execute(query)]


def check(wanted: Filter) -> None:
    """Raises ValueError for a text that is too long."""
    if len(wanted.text) > LONGEST_TEXT:
        raise ValueError(f"text has {len(wanted.text)} characters: at most {LONGEST_TEXT}")


def one(connection: sa.Connection, run_id: str) -> Run | None:
    """With its object."""
    found = fetched(connection, sa.select(RUN).where(RUN.c.run_id == run_id))
    if not found:
        return None
    details = fetched(connection, sa.select(RUN_DETAIL).where(RUN_DETAIL.c.run_id == run_id))
    return rows.run(found[0], details[0] if details else {})


def page(
    connection: sa.Connection, wanted: Filter, order: pages.Order, place: pages.Place | None, limit: int
) -> Page:
    """At most `limit` runs after that place, without their objects."""
    column = RUN.c[order.column]
    # places first: rows are long, and the database would sort them whole
    query = sa.select(RUN.c.run_id, _exact(connection, column)).where(*_conditions(connection, wanted))
    found: list[sa.Row[str, Any]] = []
    # two questions, each along an index, for databases differ in where they sort NULL
    if place is None or place.value is not None:
        valued = query.where(column.is_not(None)).order_by(*_sorted(order, column, RUN.c.run_id))
        if place is not None:
            here, there = sa.tuple_(column, RUN.c.run_id), _values(connection, order, place)
            valued = valued.where(here < there if order.descending else here > there)
        found += connection.execute(valued.limit(limit + 1))
    if column.nullable and len(found) <= limit:
        empty = query.where(column.is_(None)).order_by(*_sorted(order, RUN.c.run_id))
        if place is not None and place.value is None:
            before = RUN.c.run_id < place.run_id
            empty = empty.where(before if order.descending else RUN.c.run_id > place.run_id)
        found += connection.execute(empty.limit(limit + 1 - len(found)))
    runs = _runs(connection, [run_id for run_id, _ in found[:limit]])
    if len(found) <= limit:
        return Page(runs, None)
    run_id, value = found[limit - 1]
    value = value.isoformat() if isinstance(value, datetime) else value
    return Page(runs, pages.encode(order, pages.Place(value, run_id)))


def count(connection: sa.Connection, wanted: Filter) -> dict[Phase, int]:
    """Of each phase, 0 included."""
    query = (
        sa.select(RUN.c.phase, sa.func.count()).where(*_conditions(connection, wanted)).group_by(RUN.c.phase)
    )
    found = {Phase(phase): number for phase, number in connection.execute(query)}
    return {phase: found.get(phase, 0) for phase in Phase}


def epochs(connection: sa.Connection, run_id: str, after: int, limit: int | None) -> list[dict[str, Any]]:
    """Those of a higher number, ascending."""
    query = (
        sa.select(*RECORD)
        .where(RUN_METRICS.c.run_id == run_id, RUN_METRICS.c.epoch > min(after, pages.LARGEST))
        .order_by(RUN_METRICS.c.epoch)
        .limit(None if limit is None else min(limit, pages.LARGEST))
    )
    return [rows.epoch(row) for row in fetched(connection, query)]


def last_epoch(connection: sa.Connection, run_id: str) -> int:
    """Its number; 0 without any."""
    query = sa.select(sa.func.max(RUN_METRICS.c.epoch)).where(RUN_METRICS.c.run_id == run_id)
    return connection.execute(query).scalar() or 0


def attempts(connection: sa.Connection, run_id: str) -> list[Attempt]:
    """By number."""
    query = sa.select(RUN_ATTEMPT).where(RUN_ATTEMPT.c.run_id == run_id).order_by(RUN_ATTEMPT.c.number)
    return [rows.attempt(row) for row in fetched(connection, query)]


def events(connection: sa.Connection, run_id: str) -> list[Event]:
    """By time."""
    query = (
        sa.select(RUN_EVENT).where(RUN_EVENT.c.run_id == run_id).order_by(RUN_EVENT.c.time, RUN_EVENT.c.uid)
    )
    return [rows.event(row) for row in fetched(connection, query)]


def namespaces(connection: sa.Connection) -> list[str]:
    """Names, each once."""
    query = sa.select(RUN.c.namespace).distinct().where(RUN.c.namespace.is_not(None))
    return sorted(connection.execute(query).scalars())


def projects(connection: sa.Connection, namespaces: Sequence[str] | None) -> list[str]:
    """Names, each once."""
    query = sa.select(RUN.c.project).distinct().where(RUN.c.project.is_not(None))
    if namespaces is not None:
        query = query.where(RUN.c.namespace.in_(namespaces))
    return sorted(connection.execute(query).scalars())


def _runs(connection: sa.Connection, run_ids: Sequence[str]) -> list[Run]:
    """In that order; without those that were forgotten meanwhile."""
    if not run_ids:
        return []
    query = sa.select(*LISTED).outerjoin_from(RUN, RUN_DETAIL).where(RUN.c.run_id.in_(run_ids))
    found = {row["run_id"]: rows.run(row, row) for row in fetched(connection, query)}
    return [found[run_id] for run_id in run_ids if run_id in found]


def _conditions(connection: sa.Connection, wanted: Filter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.namespaces is not None:
        found.append(RUN.c.namespace.in_(wanted.namespaces))
    if wanted.projects:
        found.append(RUN.c.project.in_(wanted.projects))
    if wanted.phases:
        found.append(RUN.c.phase.in_(wanted.phases))
    if wanted.created_from is not None:
        found.append(RUN.c.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        found.append(RUN.c.created_at < wanted.created_to)
    if not wanted.include_deleted:
        found.append(RUN.c.deleted_at.is_(None))
    if text := wanted.text.strip():
        # neither name takes a pattern, so no character of the text means anything
        position = sa.func.instr if connection.dialect.name == "sqlite" else sa.func.strpos
        within = sa.func.coalesce(RUN.c.searchable, RUN.c.run_id, type_=Text)
        found.append(position(within, sa.literal(text.casefold(), Text)) > 0)
    return found


def _sorted(order: pages.Order, *columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    return [column.desc() if order.descending else column.asc() for column in columns]


def _exact(connection: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The column's value as the database compares it: SQLite compares times as text, and a trainer writes it
    otherwise than the console."""
    if connection.dialect.name == "sqlite" and isinstance(column.type, Time):
        return sa.type_coerce(column, sa.Text)
    return column


def _values(connection: sa.Connection, order: pages.Order, place: pages.Place) -> sa.Tuple:
    value: sa.ColumnElement[Any]
    if order.column in pages.NUMBERS:
        value = sa.literal(place.value, sa.Double)
    elif order.column in pages.TIMES and connection.dialect.name != "sqlite":
        value = sa.literal(datetime.fromisoformat(str(place.value)), Time)
    else:
        value = sa.literal(place.value, Text)
    return sa.tuple_(value, sa.literal(place.run_id, Text))

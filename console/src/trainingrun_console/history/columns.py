"""Types of columns that take what a database would choke on, and give the same on SQLite and PostgreSQL."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def finite(content: Any) -> Any:
    """JSON with null for the numbers that it does not have."""
    match content:
        case float() if not math.isfinite(content):
            return None
        case Mapping():
            return {str(key): finite(value) for key, value in content.items()}
        case list() | tuple():
            return [finite(value) for value in content]
        case _:
            return content


class Text(TypeDecorator[str]):
    """Text; U+FFFD for NUL and lone surrogates, which PostgreSQL refuses."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        kept = value.replace("\0", "\ufffd")
        return kept if kept.isascii() else kept.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Time(TypeDecorator[datetime]):
    """A moment, in UTC when it comes out; one without a zone is taken for UTC.

    SQLite keeps times as text and compares them so: "12:00:05" and "12:00:05.000000" differ. As SQLite's own
    CURRENT_TIMESTAMP does, whole seconds are written without a fraction.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        moment = _utc(value)
        return moment.replace(tzinfo=None).isoformat(" ") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return _utc(datetime.fromisoformat(value) if isinstance(value, str) else value)


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:  # in the first or last hours that a datetime can be in
        return moment.replace(tzinfo=UTC)


class Number(TypeDecorator[float]):
    """A number; NULL for NaN and infinity, for JSON has neither."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> float | None:
        return number(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> float | None:
        return number(value)


_DECODER = json.JSONDecoder(parse_constant=lambda name: None)


def load_json(text: str | bytes) -> Any:
    """What engines read JSON with, null for the NaN and infinity that others may have written."""
    return _DECODER.decode(text if isinstance(text, str) else text.decode())


class Json(TypeDecorator[Any]):
    """JSON; SQL's NULL for None, and null within it for NaN and infinity."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return finite(value)

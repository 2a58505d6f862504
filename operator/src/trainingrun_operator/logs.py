"""Log lines: JSON for machines, text for people, each with the run that it is about.

The run is a context variable: code below a reconciliation logs without passing it along.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

from trainingrun_api.log_line import JsonFormatter

_run: ContextVar[dict[str, object] | None] = ContextVar("run", default=None)

QUIET_LOGGERS = ("kopf", "aiohttp", "urllib3", "kubernetes", "asyncio")
"""Libraries that are heard from WARNING on; kopf alone logs two lines for each event."""


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Adds namespace, run and attempt to all lines of this thread or task."""
    token = _run.set(fields)
    try:
        yield
    finally:
        _run.reset(token)


def subject() -> dict[str, object]:
    """What the lines of this thread or task are about."""
    return _run.get() or {}


class TextFormatter(logging.Formatter):
    """Time, level, run and message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields = subject()
        where = f" {fields['namespace']}/{fields['run']}:" if fields else ""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        text = f"{moment} {record.levelname:<7}{where} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(style: Literal["json", "text"], level: str) -> None:
    """Sends all logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(subject) if style == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))

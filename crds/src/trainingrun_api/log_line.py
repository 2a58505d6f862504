"""A line of a log as one JSON object, the same from operator and trainer, so that one query finds both."""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

FIELDS = "fields"
"""Attribute of a record: further keys of its line, with values that JSON has."""
MOST_SCORES = 512
"""Scores in one line of the built-in trainer, some 20 KB; its files hold all."""


class JsonFormatter(logging.Formatter):
    """Time, level, logger; what the line is about, such as namespace, run, attempt and rank; the message; and
    what the record itself brings for machines: `LOGGER.info("...", extra={FIELDS: {...}})`."""

    def __init__(self, about: Callable[[], Mapping[str, object]]) -> None:
        super().__init__()
        self._about = about

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            **self._about(),
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)

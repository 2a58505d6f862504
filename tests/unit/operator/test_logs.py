"""Each line names the run that it is about."""

import json
import logging
from datetime import UTC, datetime

import pytest

from trainingrun_api.log_line import JsonFormatter
from trainingrun_operator import logs

JSON = JsonFormatter(logs.subject)
RECORD = logging.LogRecord("x", logging.WARNING, __file__, 1, "a %s", ("b",), None)


def test_json_lines_name_the_run() -> None:
    with logs.about(namespace="team", run="chest", attempt=2):
        line = json.loads(JSON.format(RECORD))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "WARNING",
        "logger": "x",
        "namespace": "team",
        "run": "chest",
        "attempt": 2,
        "message": "a b",
    }
    assert "run" not in json.loads(JSON.format(RECORD))


def test_text_is_for_people() -> None:
    with logs.about(namespace="team", run="chest", attempt=None):
        assert logs.TextFormatter().format(RECORD).endswith(" WARNING team/chest: a b")
    moment = datetime.fromtimestamp(RECORD.created, UTC).strftime("%H:%M:%S")
    assert logs.TextFormatter().format(RECORD) == f"{moment} WARNING a b"


@pytest.mark.parametrize("formatter", [JSON, logs.TextFormatter()])
def test_a_traceback_is_kept(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "died", (), info)
    assert "ValueError: why" in formatter.format(record)

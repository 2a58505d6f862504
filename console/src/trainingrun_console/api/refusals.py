"""Turns whatever goes wrong in a route into a problem document."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from trainingrun_client.errors import TrainingRunError
from trainingrun_console.access.headers import HEADERS
from trainingrun_console.api import problems
from trainingrun_console.api.problems import FieldError, Problem
from trainingrun_console.history.errors import HistoryError

log = logging.getLogger(__name__)
MOST_SHOWN = 80
"""Characters of a refused value that an answer repeats."""


def install(app: FastAPI) -> None:
    """Has the application answer by problem documents only."""
    handlers = {
        Problem: _problem,
        TrainingRunError: _client_error,
        RequestValidationError: _invalid,
        HTTPException: _http_error,
        HistoryError: _database_error,
        Exception: _defect,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, cast(Any, handler))  # of WebSockets too, which its type leaves out


async def _problem(request: HTTPConnection, error: Exception) -> Response | None:
    assert isinstance(error, Problem)
    return await _answer(request, error)


async def _client_error(request: HTTPConnection, error: Exception) -> Response | None:
    assert isinstance(error, TrainingRunError)
    return await _answer(request, problems.of_error(error))


async def _invalid(request: HTTPConnection, error: Exception) -> Response | None:
    assert isinstance(error, RequestValidationError)
    found = [FieldError(_field(each["loc"]), _words(each)) for each in error.errors()]
    said = "; ".join(f"{each.field}: {each.message}" for each in found)
    return await _answer(request, Problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, errors=found))


async def _http_error(request: HTTPConnection, error: Exception) -> Response | None:
    """Of the framework: no such route, a method that a route does not have, a body that is none."""
    assert isinstance(error, HTTPException)
    problem = Problem(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)
    return await _answer(request, problem)


async def _database_error(request: HTTPConnection, error: Exception) -> Response | None:
    log.error("the history cannot be read: %s", error)
    return await _answer(request, problems.unavailable("the database of the history does not answer"))


async def _defect(request: HTTPConnection, error: Exception) -> Response | None:
    """What happened stands in the log: an answer could tell more than the caller may know."""
    problem = Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "a defect of this service; its log says where it happened",
        headers=HEADERS,  # the framework answers this one outside of our middleware
    )
    return await _answer(request, problem)


async def _answer(request: HTTPConnection, problem: Problem) -> Response | None:
    if not isinstance(request, WebSocket):
        assert isinstance(request, Request)
        return problem.response()
    await request.send_denial_response(problem.response())
    return None


def _field(place: Sequence[Any]) -> str:
    first, *rest = place
    if first == "body" and len(rest) == 1 and isinstance(rest[0], int):
        return "body"  # a place in a text that is no JSON
    return "".join([str(first), *(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)])


def _words(error: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    if isinstance(given, str | int | float) and error["type"] != "json_invalid":
        return f"{message}, not {str(given)[:MOST_SHOWN]!r}"
    return message

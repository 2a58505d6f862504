"""Who may listen, at the start and for as long as they do; and from where."""

from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import HTTPConnection

from trainingrun_console.api.problems import FieldError, Problem
from trainingrun_console.console import Console
from trainingrun_console.history.records import Run
from trainingrun_console.live.cursor import Cursor
from trainingrun_console.live.subscription import Ending

LAST_EVENT_ID = "Last-Event-ID"
PARAMETER = "last_event_id"


def begun_at(connection: HTTPConnection) -> Cursor:
    """The last id that a client had. The header counts: a browser sends it when it comes back by itself, with
    the parameter of its first request. Raises Problem 400."""
    given = {
        f"header.{LAST_EVENT_ID}": connection.headers.get(LAST_EVENT_ID),
        f"query.{PARAMETER}": connection.query_params.get(PARAMETER),
    }
    for field, text in given.items():
        if text:
            try:
                return Cursor.parse(text)
            except ValueError as error:
                told = FieldError(field, str(error))
                raise Problem(HTTPStatus.BAD_REQUEST, f"{field}: {error}", errors=[told]) from None
    return Cursor()


def permission(connection: HTTPConnection, console: Console, run: Run) -> Callable[[], Ending | None]:
    """Asks, in a thread, whether the client may still listen to a run; raises where nobody can say."""

    def asked() -> Ending | None:
        try:
            caller = console.gate.caller(connection)
        except Problem as problem:
            match problem.status:
                case HTTPStatus.UNAUTHORIZED:
                    return Ending.UNKNOWN
                case HTTPStatus.FORBIDDEN:
                    return Ending.FORBIDDEN
            raise
        return None if caller.may("get", run.namespace) else Ending.FORBIDDEN

    return asked

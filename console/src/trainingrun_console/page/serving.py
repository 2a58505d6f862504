"""How a page is answered: templates, refusals that people can read, and the static files."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from trainingrun_client.errors import TrainingRunError
from trainingrun_console.api import problems
from trainingrun_console.api.problems import Problem
from trainingrun_console.page import told

STATIC = Path(__file__).parent / "static"
FRAGMENT = "X-Fragment"
"""Header by which a script asks for a part of a page; it is told 401 instead of being sent to the login."""
KEPT = "public, max-age=31536000, immutable"
files = StaticFiles(directory=STATIC)
_Answering = Callable[[Request], Coroutine[Any, Any, Response]]


def _fingerprint() -> str:
    """Of all static files: their addresses bear it, so that a browser keeps them until they change."""
    found = sha256()
    for path in sorted(each for each in STATIC.rglob("*") if each.is_file()):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


VERSION = _fingerprint()
templates = Environment(
    loader=PackageLoader("trainingrun_console.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.globals |= {
    "version": VERSION,
    "sparkline": told.sparkline,
    "trend": told.trend,
    "many": told.many,
}
templates.filters |= {"number": told.number, "size": told.size, "path": lambda text: quote(text, safe="/")}


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **context: Any) -> HTMLResponse:
    """A template filled in. Context of all whole pages: `caller`."""
    return HTMLResponse(templates.get_template(template).render(context), status)


def now() -> datetime:
    """This moment, which everything on one page is told for."""
    return datetime.now(UTC)


class PageRoute(APIRoute):
    """A route whose refusals are pages; whoever is not known is sent to the login."""

    def get_route_handler(self) -> _Answering:
        """The handler with its refusals turned into pages."""
        answering = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answering(request)
            except Problem as problem:
                return await run_in_threadpool(refusal, request, problem)
            except TrainingRunError as error:
                return await run_in_threadpool(refusal, request, problems.of_error(error))
            except RequestValidationError:
                unknown = Problem(HTTPStatus.NOT_FOUND, "there is no such page")
                return await run_in_threadpool(refusal, request, unknown)

        return handle


def refusal(request: Request, problem: Problem) -> Response:
    """The page for a problem; a part of a page is refused as the REST API does."""
    if FRAGMENT in request.headers:
        return problem.response()
    if problem.status == HTTPStatus.UNAUTHORIZED:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(wanted)}", HTTPStatus.SEE_OTHER)
    return page("problem.html", problem.status, problem=problem, caller=None)

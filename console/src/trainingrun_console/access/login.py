"""Logging in and out of a browser: a token or the one-time key becomes a cookie.

The page GET /login, which asks for either, is in `page`.
"""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from trainingrun_console.access import csrf
from trainingrun_console.access.proof import Entrance
from trainingrun_console.api.asking import Calling, Service
from trainingrun_console.api.description import problems
from trainingrun_console.api.problems import Problem, unprocessable
from trainingrun_console.console import Console

router = APIRouter(tags=["session"])
FIRST_PAGE, LOGIN_PAGE = "/ui/", "/login"
LONGEST = 16_384


@router.post(
    "/login",
    summary="Log a browser in",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses={303: {"description": "Logged in; the cookie is set."}, **problems(401, 403, 422, 429, 503)},
)
async def log_in(
    request: Request,
    service: Service,
    token: Annotated[
        str | None, Form(max_length=LONGEST, description="A bearer token of the cluster.")
    ] = None,
    key: Annotated[
        str | None, Form(max_length=LONGEST, description="The key that was shown at the start, on loopback.")
    ] = None,
    next_page: Annotated[
        str, Form(alias="next", max_length=2000, description="Path of a page to go on to.", examples=["/ui/"])
    ] = FIRST_PAGE,
) -> RedirectResponse:
    """Exchanges a token or the one-time key for a cookie, and goes on to a page."""
    csrf.check_origin(request)
    secret = token or key
    if not secret:
        raise unprocessable("body.token", "give a token, or the key that was shown when the console started")
    entrance = _entrance(service)
    value = await run_in_threadpool(entrance.enter, secret.strip(), request)
    answer = RedirectResponse(local(next_page), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        entrance.cookie, value, path="/", secure=entrance.secure, httponly=True, samesite="strict"
    )
    return answer


@router.post(
    "/logout",
    summary="Log a browser out",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses={303: {"description": "The cookie is removed."}, **problems(401, 403, 429, 503)},
)
async def log_out(request: Request, service: Service, caller: Calling) -> RedirectResponse:
    """Ends the session and goes to the login page."""
    entrance = _entrance(service)
    entrance.leave(request)
    answer = RedirectResponse(LOGIN_PAGE, HTTPStatus.SEE_OTHER)
    answer.delete_cookie(entrance.cookie, path="/", secure=entrance.secure, httponly=True, samesite="strict")
    return answer


def local(page: str) -> str:
    """The path, if it is one of this service; else the first page. A browser takes // and /\\ for a host."""
    plain = page.isascii() and page.isprintable() and "\\" not in page
    return page if plain and page.startswith("/") and not page.startswith("//") else FIRST_PAGE


def _entrance(service: Console) -> Entrance:
    if not isinstance(service.gate, Entrance):
        raise Problem(HTTPStatus.NOT_FOUND, "nobody can log in here")
    return service.gate

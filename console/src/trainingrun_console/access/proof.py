"""What a request brings to prove who sends it: a bearer token, or the cookie that a login left."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, runtime_checkable

from starlette.requests import HTTPConnection

from trainingrun_console.access.caller import Gate
from trainingrun_console.api.problems import Problem


@dataclass(frozen=True, slots=True)
class Proof:
    """One secret."""

    secret: str
    by_cookie: bool
    """Whether the browser sent it by itself, so that a change needs a CSRF token too."""

    def __repr__(self) -> str:
        """Without the secret, for tracebacks and logs."""
        return f"Proof(by_cookie={self.by_cookie})"


@runtime_checkable
class Entrance(Gate, Protocol):
    """A gate at which browsers can log in."""

    @property
    def cookie(self) -> str:
        """Name of the cookie."""

    @property
    def secure(self) -> bool:
        """Whether the cookie goes over TLS only."""

    def enter(self, secret: str, request: HTTPConnection) -> str:
        """The cookie's value for a token or a one-time key. Raises Problem 401."""

    def leave(self, request: HTTPConnection) -> None:
        """Ends the session of the request's cookie, where there is one."""


def presented(request: HTTPConnection, cookie: str) -> Proof:
    """A token in the header goes first. Raises Problem 401 where there is neither."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return Proof(token.strip(), by_cookie=False)
    if value := request.cookies.get(cookie):
        return Proof(value, by_cookie=True)
    raise unauthorized("log in at /login, or send a token as Authorization: Bearer")


def unauthorized(detail: str) -> Problem:
    """401."""
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def address(request: HTTPConnection) -> str:
    """From where somebody calls who is not known yet."""
    return f"address:{request.client.host if request.client else ''}"

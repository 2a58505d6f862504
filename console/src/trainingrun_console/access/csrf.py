"""Changes that a browser makes by its cookie must come from this service's own pages.

A page carries a token that is derived from the caller's proof, which no other site can read; it comes back in
a header or a form field. Browsers say besides where a request comes from, which protects WebSockets.
"""

import hmac
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request

from trainingrun_console.api.problems import Problem

HEADER = "X-CSRF-Token"
FIELD = "csrf_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def token(proof: str) -> str:
    """What pages of whoever holds the proof carry; the proof cannot be found from it."""
    return hmac.new(proof.encode(), b"trainingrun-console csrf", "sha256").hexdigest()


async def read_form(request: Request) -> None:
    """Lets `check` see a form's field, for it runs where nothing can be awaited."""
    if request.method not in SAFE and request.headers.get("content-type", "").startswith(FORMS):
        request.state.csrf_token = (await request.form()).get(FIELD)


def check(request: HTTPConnection, expected: str) -> None:
    """Raises Problem 403 where a change by cookie does not come from one of our pages."""
    if request.scope["type"] == "http" and request.scope["method"] in SAFE:
        return
    check_origin(request)
    if request.scope["type"] != "http":
        return
    given = request.headers.get(HEADER) or getattr(request.state, "csrf_token", None)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"a change by cookie needs the page's token in the header {HEADER} or the form field {FIELD}: "
            "load the page again",
        )


def check_origin(request: HTTPConnection) -> None:
    """Raises Problem 403 where a browser says that another site's page sends this."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(HTTPStatus.FORBIDDEN, "the request comes from the page of another site")

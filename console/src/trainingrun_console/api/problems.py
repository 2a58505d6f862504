"""Errors as RFC 9457 problem documents, the only form in which this service refuses anything."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from trainingrun_client.errors import ApiError, InputError, InvalidError, TrainingRunError

CONTENT_TYPE = "application/problem+json"
UNKNOWN = re.compile(r'unknown field "([^"]+)"')
"""In the words of the API server, which names such fields there alone."""
NO_FIELD = ("", "<nil>")
"""Of the API server's remark that it did not look further."""
RETRY_SECONDS = 5
"""After which something that was away may be back."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One value that cannot be taken."""

    field: str
    """Its path: spec.nodes in an object, query.limit, body.run_name, header.Last-Event-ID."""
    message: str
    """What is wrong with it, and what would be right."""


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A request that is refused."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        """
        Args:
            detail: for people: what happened and what to do about it.
            errors: the fields that are wrong.
            headers: of the answer, such as Retry-After.
            extensions: further members, such as active_run of a 409.
        """
        super().__init__(detail)
        self.status, self.detail, self.errors, self.extensions = status, detail, tuple(errors), extensions
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The members of the document."""
        found: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
            **self.extensions,
        }
        if self.errors:
            found["errors"] = [{"field": each.field, "message": each.message} for each in self.errors]
        return found

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(
            self.document(), status_code=self.status, media_type=CONTENT_TYPE, headers=self.headers
        )


def unprocessable(field: str, message: str) -> Problem:
    """422 for one field."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors=[FieldError(field, message)]
    )


def unavailable(detail: str) -> Problem:
    """503, to be tried again soon."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def of_error(error: TrainingRunError) -> Problem:
    """What the API server or the client refused, with the fields that they name."""
    if isinstance(error, InvalidError):
        causes = [
            FieldError(cause.field, cause.message) for cause in error.causes if cause.field not in NO_FIELD
        ]
        causes += [FieldError(field, "there is no such field") for field in UNKNOWN.findall(error.message)]
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, errors=causes)
    if isinstance(error, ApiError):
        known = {401, 403, 404, 409}
        status = HTTPStatus(error.status) if error.status in known else HTTPStatus.BAD_GATEWAY
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return Problem(status, error.message, headers=headers)
    if isinstance(error, InputError):
        return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    return unavailable(str(error))

"""What can go wrong, sorted by what the caller can do about it.

TrainingRunError
├── ConfigError             no kubeconfig, or no such context in it
├── InputError              what was given cannot be used: a file, a name, a value
├── ApiError                the API server answered with an error
│   ├── NotFoundError       404: there is no such object, or no such kind
│   ├── AlreadyExistsError  409 on create
│   ├── ConflictError       409 on update: somebody else was quicker
│   ├── InvalidError        400, 422: the object is wrong in itself; `causes` name the fields
│   ├── UnauthorizedError   401: the cluster does not know you
│   └── ForbiddenError      403: who you are may not do it
├── UnreachableError        no answer from the API server
├── RunFailedError          the run that was waited for is Failed; `run` says why
├── RunDeletedError         the run that was waited for is gone
├── WaitTimeoutError        it took longer than was asked for; also a TimeoutError
├── TransferError           a file could not be brought to or from a volume; what arrived is kept
└── MissingExtraError       a library is needed that a plain install of the client leaves out
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import urllib3
from kubernetes.client.exceptions import ApiException

if TYPE_CHECKING:
    from trainingrun_client.run import TrainingRun


class TrainingRunError(Exception):
    """Base of all errors of this package; its text is for people and says what to do."""


class ConfigError(TrainingRunError):
    """There is no way to a cluster: no kubeconfig, or no such context in it."""


class InputError(TrainingRunError):
    """What was given cannot be used: a file, a name or a value."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that the API server refused."""

    field: str
    """Its path, such as spec.nodes."""
    message: str


class ApiError(TrainingRunError):
    """An error answer; `message` is the server's own words."""

    def __init__(self, status: int, message: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.causes = causes


class NotFoundError(ApiError):
    """There is no such object, or the API server does not know the kind."""


class AlreadyExistsError(ApiError):
    """An object of that name exists."""


class ConflictError(ApiError):
    """The object changed since it was read."""


class InvalidError(ApiError):
    """The object is wrong in itself; `causes` name the fields."""


class UnauthorizedError(ApiError):
    """The credentials are not accepted: they are wrong, or have expired."""


class ForbiddenError(ApiError):
    """The API server does not let this user do it."""


class UnreachableError(TrainingRunError):
    """The API server does not answer, or is overloaded."""


class RunFailedError(TrainingRunError):
    """The run that was waited for is Failed."""

    def __init__(self, run: "TrainingRun") -> None:
        super().__init__(f"{run.name} is Failed: {run.reason}: {run.message}")
        self.run = run


class RunDeletedError(TrainingRunError):
    """The run that was waited for is gone, or another of its name has taken its place."""


class WaitTimeoutError(TrainingRunError, TimeoutError):
    """It took longer than was asked for. The run goes on."""


class TransferError(TrainingRunError):
    """A file could not be brought to or from a volume. What arrived is kept, and the next try goes on."""


class MissingExtraError(TrainingRunError):
    """A library is needed that a plain install of the client leaves out."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs more libraries: pip install 'trainingrun[{extra}]'")


@contextmanager
def translated() -> Iterator[None]:
    """Turns the errors of the Kubernetes client and of the connection below it into those above."""
    try:
        yield
    except ApiException as error:
        raise from_answer(int(error.status or 0), error.body or error.reason or "") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise UnreachableError(f"the API server does not answer: {_innermost(error)}") from error


def from_answer(status: int, body: str | bytes) -> ApiError | UnreachableError:
    """The error for an HTTP status and the Status object in the body.

    Source: metav1.Status, https://kubernetes.io/docs/reference/using-api/api-concepts/
    """
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    try:
        told = json.loads(text)
    except ValueError:
        told = {"message": text.strip()}
    if not isinstance(told, dict):
        told = {"message": text}
    message = told.get("message") or f"HTTP {status}"
    if status in (0, 429) or status >= 500:
        return UnreachableError(f"the API server cannot answer now (HTTP {status}): {message}")
    details = told.get("details") or {}
    causes = tuple(
        Cause(each.get("field", ""), each.get("message", "")) for each in details.get("causes") or ()
    )
    kinds: dict[int, type[ApiError]] = {
        400: InvalidError, 401: UnauthorizedError, 403: ForbiddenError, 404: NotFoundError, 422: InvalidError,
        409: AlreadyExistsError if told.get("reason") == "AlreadyExists" else ConflictError,
    }  # fmt: skip
    if status == 401:
        message = f"the cluster does not accept your credentials ({message}): log in again"
    return kinds.get(status, ApiError)(status, message, causes)


def _innermost(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return _innermost(reason) if isinstance(reason, BaseException) else str(error)

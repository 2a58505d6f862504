"""What can go wrong with the API server, sorted by what the operator does about it.

OperatorError
├── ApiError                the server answered with an error
│   ├── NotFoundError       404
│   ├── AlreadyExistsError  409 on create
│   ├── ConflictError       409 on update: the decision rested on an outdated object
│   ├── ExpiredError        410: the version that was asked for is too old
│   ├── InvalidError        400, 422: the same request can never succeed
│   └── RefusedError        other 4xx, admission: quota, policies, permissions; may succeed later
├── UnavailableError        429, 5xx, no connection, timeout, after all retries
├── NoCredentialsError      neither a service account nor a kubeconfig
├── LeaseLostError          another operator has taken over
└── NameTakenError          a child's name belongs to somebody else
"""

import re

DENIED = re.compile(
    r"^admission webhook .* denied the request|[Pp]olicy '.*' with binding '.*' denied request", re.DOTALL
)
"""The words of a policy, which may change its mind: a webhook that names no status of its own refuses with
400, a ValidatingAdmissionPolicy with 422.

Source: k8s.io/apiserver, pkg/admission/plugin/webhook/errors/statuserror.go and
pkg/admission/plugin/policy/validating/dispatcher.go.
"""

NO_WEBHOOK = "failed calling webhook"
"""The words of the API server, with 500, where an admission webhook that must be asked is away. Repeating the
request at once would only hold a worker up."""


class OperatorError(Exception):
    """Base of the operator's own errors."""


class ApiError(OperatorError):
    """An error answer; `message` is the server's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status
        self.message = message


class NotFoundError(ApiError):
    """The object does not exist."""


class AlreadyExistsError(ApiError):
    """An object of that name exists."""


class ConflictError(ApiError):
    """The object changed since it was read, or is another one by now."""


class ExpiredError(ApiError):
    """The API server no longer knows the version that was asked for: list anew."""


class InvalidError(ApiError):
    """The request is wrong in itself."""


class RefusedError(ApiError):
    """The request is refused as things stand: quota, admission or permissions."""


class UnavailableError(OperatorError):
    """The API server could not be reached or is overloaded."""


class NoCredentialsError(OperatorError):
    """There is no way to the API server: neither a service account nor a kubeconfig."""


class LeaseLostError(OperatorError):
    """Another operator has taken over."""


class NameTakenError(OperatorError):
    """A child's name is taken; `message` says by whom and what to do. `passing` where it will free itself."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.message = message
        self.passing = passing


def from_status(status: int, reason: str, message: str) -> ApiError | UnavailableError:
    """The error for an HTTP status (0: no answer) and a Status object's reason and message.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ and metav1.StatusReason.
    """
    if NO_WEBHOOK in message:
        return RefusedError(status, message)
    if status == 0 or status == 429 or status >= 500:
        return UnavailableError(f"HTTP {status}: {message}" if status else message)
    if status == 404:
        return NotFoundError(status, message)
    if status == 409:
        return (
            AlreadyExistsError(status, message)
            if reason == "AlreadyExists"
            else ConflictError(status, message)
        )
    if status == 410:
        return ExpiredError(status, message)
    if status in (400, 422) and not DENIED.search(message):
        return InvalidError(status, message)
    return RefusedError(status, message)

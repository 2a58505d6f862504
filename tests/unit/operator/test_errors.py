"""Every answer of the API server has a class, and so a consequence."""

import pytest

from trainingrun_operator import errors


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (0, "", errors.UnavailableError),
        (429, "TooManyRequests", errors.UnavailableError),
        (500, "InternalError", errors.UnavailableError),
        (503, "", errors.UnavailableError),
        (404, "NotFound", errors.NotFoundError),
        (409, "AlreadyExists", errors.AlreadyExistsError),
        (409, "Conflict", errors.ConflictError),
        (422, "Invalid", errors.InvalidError),
        (400, "BadRequest", errors.InvalidError),
        (403, "Forbidden", errors.RefusedError),
        (401, "Unauthorized", errors.RefusedError),
    ],
)
def test_every_answer_has_a_class(status: int, reason: str, kind: type[Exception]) -> None:
    error = errors.from_status(status, reason, "words of the server")
    assert type(error) is kind
    assert "words of the server" in str(error)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, 'admission webhook "validate.kyverno.svc-fail" denied the request: no GPUs on weekends'),
        (422, 'jobs.batch "chest-2" is forbidden: ValidatingAdmissionPolicy \'p\' with binding \'b\' denied '
              "request: too many GPUs"),
        (403, 'admission webhook "x" denied the request: exempt'),
        (500, 'Internal error occurred: failed calling webhook "mjob.kb.io": failed to call webhook: Post '
              '"https://kueue": connection refused'),
    ],
)  # fmt: skip
def test_what_admission_denies_now_it_may_allow_later(status: int, message: str) -> None:
    assert type(errors.from_status(status, "", message)) is errors.RefusedError

"""An answer becomes the error that says what to do about it."""

import json

import pytest

import trainingrun_client
from trainingrun_client import errors
from trainingrun_client.errors import Cause, from_answer

REFUSED = {
    "message": 'TrainingRun "a" is invalid',
    "details": {"causes": [{"field": "spec.nodes", "message": "must be at least 1"}]},
}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (0, "", "UnreachableError"),
        (401, "{}", "UnauthorizedError"),
        (403, "{}", "ForbiddenError"),
        (404, "404 page not found\n", "NotFoundError"),
        (409, '{"reason": "AlreadyExists"}', "AlreadyExistsError"),
        (409, '{"reason": "Conflict"}', "ConflictError"),
        (410, "{}", "ApiError"),
        (422, "[]", "InvalidError"),
        (429, "{}", "UnreachableError"),
        (503, "no endpoints", "UnreachableError"),
    ],
)
def test_by_status(status: int, body: str, kind: str) -> None:
    assert type(from_answer(status, body)).__name__ == kind


def test_causes_name_the_fields() -> None:
    error = from_answer(422, json.dumps(REFUSED).encode())
    assert isinstance(error, errors.InvalidError)
    assert error.causes == (Cause("spec.nodes", "must be at least 1"),)
    assert str(error) == REFUSED["message"]


def test_every_error_is_exported_and_stands_in_the_tree() -> None:
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TrainingRunError)
    }
    assert kinds <= set(trainingrun_client.__all__)
    assert all(name in (errors.__doc__ or "") for name in kinds)
    assert sorted(trainingrun_client.__all__) == trainingrun_client.__all__

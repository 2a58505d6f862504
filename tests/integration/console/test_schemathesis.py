"""Requests that the OpenAPI document allows, and some that it does not, against the application on SQLite.

Each answer must be one that the document tells of, in the form that it tells of, and none may be a defect.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.helpers.console_scene import DONE, Scene
from trainingrun_console.api.app import create_app
from trainingrun_console.console import Console
from trainingrun_console.settings import Settings

CHECKS = [
    schemathesis.checks.not_a_server_error,
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
ADMIN = {"Authorization": "Bearer admin-token"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """With the files of a run beside the history."""
    folder = tmp_path_factory.mktemp("schemathesis")
    directory = folder / "claim" / DONE.run_id
    (directory / "plots").mkdir(parents=True)
    (directory / "results.json").write_text("{}")
    found = Scene(
        f"sqlite:///{folder}/history.db",
        run_directories={"radiology/results": folder / "claim"},
        allowed_hosts=("*",),
    )
    yield found
    found.close()


@pytest.fixture(scope="module")
def document(scene: Scene) -> Any:
    """As clients get it."""
    return schemathesis.openapi.from_asgi("/openapi.json", scene.app)


def operations() -> list[tuple[str, str]]:
    """Paths and methods of all but the streams, which never end."""
    given_settings = Settings()
    nothing: Any = None
    paths = create_app(Console(given_settings, nothing, nothing, nothing)).openapi()["paths"]
    return [
        (path, method)
        for path, found in paths.items()
        for method, operation in found.items()
        if "live" not in operation.get("tags", ())
    ]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), operations())
def test_each_answer_is_one_that_the_document_tells_of(
    document: Any, scene: Scene, path: str, method: str, mode: GenerationMode
) -> None:
    @given(case=document[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case: schemathesis.Case[Any]) -> None:
        if mode == GenerationMode.NEGATIVE:
            answer = case.call(headers=ADMIN)
            # a path that is too long is refused before anybody looks at what it says
            seen = [] if answer.status_code == HTTPStatus.REQUEST_URI_TOO_LONG else [negative_data_rejection]
            case.validate_response(answer, checks=[*CHECKS, *seen])
            return
        for name in ("run_id", "experiment_id"):
            # every other request is about a run that there is
            if len(case.path_parameters.get(name, "-")) % 2:
                case.path_parameters[name] = DONE.run_id
        case.query.pop("follow", None)  # by a connection of its own, which needs a real API server
        case.call_and_validate(headers=ADMIN, checks=CHECKS)
        scene.reset()

    try:
        check()
    except Unsatisfiable:
        assert mode == GenerationMode.NEGATIVE  # nothing in the operation can be wrong

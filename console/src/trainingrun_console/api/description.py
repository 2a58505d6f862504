"""What the OpenAPI document says beside what the routes say themselves."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from trainingrun_console.api.problems import CONTENT_TYPE

DESCRIPTION = """\
Training runs, past and present: their epochs, attempts, events, logs and files, and the changes that a person
may ask for.

Every answer that refuses something is a problem document (RFC 9457), whose `errors` name the fields. Who
calls proves it by `Authorization: Bearer <token of the cluster>`, or by the cookie that `POST /login` leaves;
a change by cookie needs the header `X-CSRF-Token` as well.
"""
TAGS = [
    {"name": "runs", "description": "What is known of runs, also of deleted ones."},
    {"name": "epochs", "description": "Metrics, epoch by epoch."},
    {"name": "files", "description": "Logs and artifacts."},
    {
        "name": "changes",
        "description": "Start, retry, suspend, resume, delete; with the caller's own rights.",
    },
    {"name": "live", "description": "What happens, as it happens."},
    {"name": "session", "description": "Logging in and out of a browser."},
    {"name": "health", "description": "For probes; nobody needs to log in."},
]
WORDS = {
    400: "The request is no proper one.",
    401: "Nobody knows who calls.",
    403: "The caller may not do that.",
    404: "There is no such thing, or the caller may not see it.",
    409: "The state of the run, or of its project, does not allow it.",
    410: "The TrainingRun is deleted; only its history is left.",
    413: "The body, or the file that is asked for, is too large.",
    414: "Path and query are too long.",
    421: "The service is not called that.",
    422: "A value cannot be taken; `errors` name the fields.",
    429: "Too many requests; Retry-After says when to come again.",
    431: "The headers are too large.",
    503: "The API server, the database or a volume does not answer; Retry-After says when to come again.",
}
PROBLEM = {
    "title": "Problem",
    "description": "Why something was refused (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Unprocessable Entity"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {"type": "string", "description": "What happened and what to do about it."},
        "errors": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "examples": ["spec.nodes", "query.limit", "body.run_name"]},
                    "message": {"type": "string"},
                },
            },
        },
        "active_run": {"type": "string", "description": "Of a 409: the run that holds the project."},
    },
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the cluster."},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "trainingrun",
        "description": "Left by POST /login.",
    },
}
OPEN = {"/healthz", "/readyz", "/login"}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses` of a route: the problems that it may answer by."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": WORDS.get(status, HTTPStatus(status).phrase),
            "content": {CONTENT_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


COMMON = (400, 401, 403, 413, 414, 421, 422, 429, 431, 503)
"""Of every route that has a caller."""


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The function that makes the document, once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                tags=app.openapi_tags,
                routes=app.routes,
            )
            components = document.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = PROBLEM
            components["securitySchemes"] = SCHEMES
            document["security"] = [{"bearer": []}, {"cookie": []}]
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    if path in OPEN:
                        operation["security"] = []
            app.openapi_schema = document
        return app.openapi_schema

    return openapi

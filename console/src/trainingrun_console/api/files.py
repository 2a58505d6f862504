"""Artifacts of a run: which there are, and their content."""

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response, StreamingResponse

from trainingrun_console.api import claimed, models, mounted
from trainingrun_console.api.asking import Calling, Service, VisibleRun
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.api.live_object import current

router = APIRouter(tags=["files"])
SHOWN: Mapping[str, str] = {
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".csv": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
"""What a browser may show. SVG and HTML can run scripts, which would act as whoever looks at them."""
OTHER = "application/octet-stream"
SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"


@router.get(
    "/runs/{run_id}/artifacts",
    summary="Files of a run",
    responses=problems(*COMMON, 404, 410),
)
def list_artifacts(run: VisibleRun, caller: Calling, service: Service) -> models.Artifacts:
    """From the directory where it is mounted here, else as the history has them, else through a pod that
    mounts the claim with the caller's own rights, which takes some seconds."""
    directory = mounted.directory_of(run, service.settings.run_directories)
    if directory is not None:
        source, found = "mounted", mounted.listed(directory)
    elif run.artifacts:
        source, found = "history", list(run.artifacts)
    else:
        source, found = "claim", claimed.listed(caller, current(caller, run))
    return models.Artifacts(
        run_id=run.run_id,
        source=source,
        artifacts=[models.Artifact.model_validate(each) for each in found],
    )


@router.get(
    "/runs/{run_id}/artifacts/{path:path}",
    summary="Content of a file",
    response_class=Response,
    responses={
        200: {
            "description": "Text, JSON and pictures as such, to be shown; all else to be saved.",
            "content": {"*/*": {"schema": {"type": "string"}}},
        },
        **problems(*COMMON, 404, 410),
    },
)
def read_artifact(
    run: VisibleRun,
    caller: Calling,
    service: Service,
    path: Annotated[
        str,
        Path(
            description="Below the run directory.",
            min_length=1,
            max_length=1024,
            examples=["plots/loss.png"],
        ),
    ],
) -> Response:
    """The file as it is now; nothing leads out of the run directory."""
    inside = mounted.checked(path)
    directory = mounted.directory_of(run, service.settings.run_directories)
    if directory is not None:
        descriptor = mounted.opened(directory, inside)
    else:
        descriptor = claimed.opened(caller, current(caller, run), inside)
    size = os.fstat(descriptor).st_size
    return StreamingResponse(
        mounted.chunks(descriptor, size), headers={"Content-Length": str(size), **headers_of(inside)}
    )


def headers_of(path: str) -> dict[str, str]:
    """How a browser has to take a file, by its name. Pure."""
    name = PurePosixPath(path).name
    media_type = SHOWN.get(PurePosixPath(path).suffix.lower())
    how = "inline" if media_type else "attachment"
    return {
        "Content-Type": media_type or OTHER,
        "Content-Disposition": f"{how}; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": SANDBOX,
    }

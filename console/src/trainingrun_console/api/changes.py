"""Start, retry, suspend, resume and delete, with the caller's own rights: the API server decides."""

import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Path, Query, Response
from pydantic import Field

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_client.errors import AlreadyExistsError
from trainingrun_client.run import TrainingRun
from trainingrun_console.access.caller import Caller
from trainingrun_console.api import models
from trainingrun_console.api.asking import NAME, RUN_ID, Calling, Namespaces, Service, VisibleRun, seen_run
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.api.live_object import current, deleted, patched
from trainingrun_console.api.models import Given
from trainingrun_console.api.problems import Problem
from trainingrun_console.api.starting import (
    active_run,
    chosen_namespace,
    created,
    manifest_of,
    project_held,
    refuse_busy,
    started,
)
from trainingrun_console.console import Console
from trainingrun_console.history.records import Filter, Run

router = APIRouter(tags=["changes"])
PAGES, PAGE = 10, 200
"""In which an earlier run is looked for by its name."""
TRIES = 20
"""Names that may be taken."""
OF_A_RUN = problems(*COMMON, 404, 409, 410)


class Metadata(Given):
    """Of a new TrainingRun."""

    name: str | None = Field(None, max_length=253, examples=["chest"])
    generate_name: str | None = Field(None, alias="generateName", max_length=253)
    namespace: str | None = Field(None, pattern=NAME, max_length=63, examples=["radiology"])
    labels: dict[str, str] | None = Field(None, max_length=64)
    annotations: dict[str, str] | None = Field(None, max_length=64)


class Manifest(Given):
    """A TrainingRun, as kubectl takes it."""

    api_version: Literal["trainingrun.dev/v1alpha1"] = Field(alias="apiVersion")
    kind: Literal["TrainingRun"]
    metadata: Metadata
    spec: dict[str, Any] = Field(
        description="As `kubectl explain trainingrun.spec` says; the API server checks it."
    )


def experiment(
    experiment_id: Annotated[
        str,
        Path(
            description="run_id of an earlier run, or its name: then the newest of that name.",
            pattern=RUN_ID,
            max_length=100,
            examples=["chest-0a1b2c3d"],
        ),
    ],
    caller: Calling,
    service: Service,
    namespaces: Namespaces,
) -> Run:
    """The run. Raises Problem 404, and 409 where several namespaces have a run of that name."""
    if service.history.run(experiment_id) is not None:
        return seen_run(experiment_id, caller, service)
    found = [run for run in _like(service, experiment_id, namespaces) if run.name == experiment_id]
    if not found:
        return seen_run(experiment_id, caller, service)
    if len(places := sorted({run.namespace for run in found})) > 1:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"{experiment_id} is a name in {', '.join(places)}: give a run_id, such as {found[0].run_id}",
        )
    return seen_run(found[0].run_id, caller, service)


Earlier = Annotated[Run, Depends(experiment)]


@router.post(
    "/runs",
    summary="Create a run",
    status_code=HTTPStatus.CREATED,
    responses={
        200: {"model": models.Started, "description": "A dry run."},
        **problems(*COMMON, 404, 409),
    },
)
def create_run(
    manifest: Annotated[Manifest, Body()],
    caller: Calling,
    service: Service,
    response: Response,
    dry_run: Annotated[bool, Query(description="Have the API server check it, and create nothing.")] = False,
) -> models.Started:
    """Creates a TrainingRun. What the API server refuses is answered with the fields that it names."""
    body = manifest.model_dump(mode="json", by_alias=True, exclude_none=True)
    namespace = chosen_namespace(caller, service, manifest.metadata.namespace, "metadata.namespace")
    body["metadata"]["namespace"] = namespace
    run = created(caller, service, body, dry_run=dry_run)
    if dry_run:
        response.status_code = HTTPStatus.OK
        return started(caller, service, run, "a dry run: nothing was created")
    return _told(caller, service, run, response)


@router.post(
    "/api/training/{experiment_id}/run",
    summary="Start a new run by an earlier one's spec",
    status_code=HTTPStatus.CREATED,
    responses=OF_A_RUN,
)
def run_again(earlier: Earlier, caller: Calling, service: Service, response: Response) -> models.Started:
    """A new TrainingRun of the same spec; 409 with `active_run` while the project is busy."""
    spec = {key: value for key, value in (earlier.object.get("spec") or {}).items() if key != "suspend"}
    if not spec:
        raise Problem(
            HTTPStatus.CONFLICT, f"the spec of {earlier.run_id} is not known: POST /runs takes a new one"
        )
    project = spec.get("project")
    labels = (earlier.object.get("metadata") or {}).get("labels")
    with project_held(earlier.namespace, project):
        refuse_busy(active_run(caller, service, earlier.namespace, project), project)
        taken = {run.name for run in _like(service, root(earlier.name), [earlier.namespace])}
        free = (name for number in range(2, 1000) if (name := numbered(earlier.name, number)) not in taken)
        for _, name in zip(range(TRIES), free, strict=False):
            try:
                run = created(caller, service, manifest_of(name, earlier.namespace, spec, labels))
            except AlreadyExistsError:
                continue
            return _told(caller, service, run, response)
    raise Problem(
        HTTPStatus.CONFLICT, f"all names like {numbered(earlier.name, 2)} are taken: POST /runs takes any"
    )


def retry(run: Run, caller: Caller, service: Console) -> models.Accepted:
    """Starts a Failed run anew from its checkpoint; 409 where it is not Failed, or its project is busy."""
    now = current(caller, run)
    if now.phase != Phase.FAILED or now.awaits_retry:
        raise Problem(
            HTTPStatus.CONFLICT, f"{now.name} is {_word(now)}: only a Failed run can be tried again"
        )
    project = now.raw["spec"].get("project")
    with project_held(run.namespace, project):
        refuse_busy(active_run(caller, service, run.namespace, project, but=run.run_id), project)
        text = f"asked for by {caller.name} at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        now = patched(caller, now, {"metadata": {"annotations": {names.RETRY_ANNOTATION: text}}})
    return models.Accepted(run_id=run.run_id, status="pending", message="goes on from its checkpoint")


@router.post("/api/training/{experiment_id}/retry", summary="Try a Failed run again", responses=OF_A_RUN)
def retry_experiment(earlier: Earlier, caller: Calling, service: Service) -> models.Accepted:
    """Goes on from the checkpoint, with a whole budget of failures; 409 with `active_run` while the project
    is busy."""
    return retry(earlier, caller, service)


@router.post("/runs/{run_id}/retry", summary="Try a Failed run again", responses=OF_A_RUN)
def retry_run(run: VisibleRun, caller: Calling, service: Service) -> models.Accepted:
    """Goes on from the checkpoint, with a whole budget of failures; 409 with `active_run` while the project
    is busy."""
    return retry(run, caller, service)


@router.post("/runs/{run_id}/suspend", summary="Suspend a run", responses=OF_A_RUN)
def suspend_run(run: VisibleRun, caller: Calling) -> models.Accepted:
    """Has it write a checkpoint and end its pods, until it is resumed; 409 where it is over."""
    now = current(caller, run)
    if now.finished:
        raise Problem(HTTPStatus.CONFLICT, f"{now.name} is {now.phase}: there is nothing to suspend")
    now = patched(caller, now, {"spec": {"suspend": True}})
    return models.Accepted(
        run_id=run.run_id, status=now.phase.lower(), message="writes a checkpoint and ends its pods"
    )


@router.post("/runs/{run_id}/resume", summary="Resume a run", responses=OF_A_RUN)
def resume_run(run: VisibleRun, caller: Calling) -> models.Accepted:
    """Has it go on from its checkpoint; 409 where it is over."""
    now = current(caller, run)
    if now.finished:
        raise Problem(HTTPStatus.CONFLICT, f"{now.name} is {now.phase}: there is nothing to resume")
    now = patched(caller, now, {"spec": {"suspend": False}})
    return models.Accepted(run_id=run.run_id, status=now.phase.lower(), message="goes on from its checkpoint")


@router.delete(
    "/runs/{run_id}", summary="Delete a run", status_code=HTTPStatus.NO_CONTENT, responses=OF_A_RUN
)
def delete_run(run: VisibleRun, caller: Calling) -> None:
    """Ends it and removes the TrainingRun. Its history stays, and so do the files in its claim."""
    deleted(caller.connection(), current(caller, run))


def root(name: str) -> str:
    """Without the suffix of `numbered`."""
    return re.sub(r"-r[0-9]{1,3}$", "", name)


def numbered(name: str, number: int) -> str:
    """Name of a run that repeats another one.

    >>> numbered("chest-r2", 3)
    'chest-r3'
    """
    suffix = f"-r{number}"
    return root(name)[: names.MAX_NAME_LENGTH - len(suffix)].rstrip("-.") + suffix


def _like(service: Console, text: str, namespaces: Sequence[str] | None) -> list[Run]:
    """Runs with that text in their names, newest first."""
    found: list[Run] = []
    cursor = None
    for _ in range(PAGES):
        page = service.history.runs(Filter(namespaces=namespaces, text=text), cursor=cursor, limit=PAGE)
        found += page.runs
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _told(caller: Caller, service: Console, run: TrainingRun, response: Response) -> models.Started:
    answer = started(caller, service, run, "Training started")
    response.headers["Location"] = f"/runs/{answer.run_id}"
    return answer


def _word(run: TrainingRun) -> str:
    return "about to be tried again" if run.awaits_retry else str(run.phase)

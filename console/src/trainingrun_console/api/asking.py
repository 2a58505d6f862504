"""What routes depend on: the service, who calls, and the run that is asked for, if the caller may see it.

A route takes `Calling`, one about a run `VisibleRun`; both refuse by a Problem before the route runs.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from trainingrun_console.access import csrf
from trainingrun_console.access.caller import Caller
from trainingrun_console.api.problems import Problem
from trainingrun_console.console import Console
from trainingrun_console.history.records import Run

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
"""Of an object in the cluster."""
RUN_ID = r"^[a-z0-9]([-a-z0-9.]{0,98}[a-z0-9])?$"
"""Name and the first 8 digits of the UID."""


def console(request: HTTPConnection) -> Console:
    """The service. Of a WebSocket too."""
    found: Console = request.app.state.console
    return found


async def caller(request: HTTPConnection) -> Caller:
    """Who calls. Of a WebSocket too.

    Raises Problem: 401 without a valid proof, 403 without a CSRF token where one is due, 429 where they call
    too often, 503 where the API server cannot say who they are.
    """
    if isinstance(request, Request):
        await csrf.read_form(request)
    return await run_in_threadpool(_admitted, request)


Service = Annotated[Console, Depends(console)]
Calling = Annotated[Caller, Depends(caller)]


def visible_namespaces(caller: Caller, console: Console) -> Sequence[str] | None:
    """Namespaces whose runs the caller may list; None: all. Asks the API server, so call it in a thread.

    Raises UnreachableError.
    """
    served = console.settings.namespaces
    if caller.may("list", None):
        return served
    known = console.history.namespaces() if served is None else served
    return [namespace for namespace in known if caller.may("list", namespace)]


def seen_run(run_id: str, caller: Caller, console: Console) -> Run:
    """The run, if the caller may see it. Asks the database and the API server, so call it in a thread.

    Raises Problem 404, which says the same of a run that is not there and of one that is not theirs.
    """
    run: Run | None = console.history.run(run_id)
    served = console.settings.namespaces
    if (
        run is None
        or (served is not None and run.namespace not in served)
        or not caller.may("get", run.namespace)
    ):
        raise Problem(
            HTTPStatus.NOT_FOUND, f"there is no run {run_id}, or you may not see it: GET /runs lists yours"
        )
    return run


def visible_run(
    run_id: Annotated[
        str,
        Path(
            description="Name of the run, '-', and the first 8 digits of its UID.",
            pattern=RUN_ID,
            max_length=100,
            examples=["chest-0a1b2c3d"],
        ),
    ],
    caller: Calling,
    console: Service,
) -> Run:
    """Dependency: the run of the path, as `seen_run` says. Of a WebSocket too."""
    return seen_run(run_id, caller, console)


VisibleRun = Annotated[Run, Depends(visible_run)]


def namespaces(caller: Calling, console: Service) -> Sequence[str] | None:
    """Dependency: as `visible_namespaces` says."""
    return visible_namespaces(caller, console)


Namespaces = Annotated[Sequence[str] | None, Depends(namespaces)]


def _admitted(request: HTTPConnection) -> Caller:
    found: Caller = request.app.state.console.gate.caller(request)
    request.app.state.callers.admit(found.name)
    return found

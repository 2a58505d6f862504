"""The pages: runs at a glance, one run, several compared, a new one, and the login.

Whole pages read without a script. Scripts fetch the same parts again (`/ui/parts/...`) where something
changed.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from trainingrun_api.reasons import Phase
from trainingrun_client.errors import UnreachableError
from trainingrun_console.access.caller import Caller
from trainingrun_console.api import pods
from trainingrun_console.api.asking import Calling, Namespaces, Service, VisibleRun, seen_run
from trainingrun_console.api.problems import Problem
from trainingrun_console.api.runs import differences
from trainingrun_console.api.starting import manifest_of
from trainingrun_console.console import Console
from trainingrun_console.history.records import Epoch, Run
from trainingrun_console.page import compared, filled, starting, told
from trainingrun_console.page.asked import PAGE_SIZE, SINCE, Asked, asked
from trainingrun_console.page.serving import KEPT, VERSION, PageRoute, files, now, page

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
def root() -> Response:
    """To the list."""
    return RedirectResponse("/ui/", HTTPStatus.SEE_OTHER)


@router.get("/static/{path:path}")
async def static(path: str, request: Request) -> Response:
    """A file of the package; browsers keep it where its address bears the version, until that changes."""
    versioned = path.startswith(f"{VERSION}/")
    try:
        answer = await files.get_response(path.removeprefix(f"{VERSION}/"), request.scope)
    except HTTPException as error:
        raise Problem(HTTPStatus(error.status_code), f"there is no file {path[:100]}") from error
    answer.headers["Cache-Control"] = KEPT if versioned else "no-cache"
    return answer


@router.get("/login")
def login(console: Service, next: str = "/ui/") -> Response:
    """Where somebody proves who they are."""
    return page("login.html", caller=None, loopback=console.settings.loopback, next=next)


@router.get("/ui/")
def runs(request: Request, caller: Calling, console: Service, visible: Namespaces) -> Response:
    """Runs at a glance."""
    wanted = asked(request.query_params.multi_items())
    projects = console.history.projects(visible)
    namespaces = console.history.namespaces() if visible is None else visible
    context = _listed(wanted, console, visible)
    return page(
        "runs.html", caller=caller, projects=projects, namespaces=sorted(namespaces), spans=SINCE, **context
    )


@router.get("/ui/parts/runs")
def runs_part(request: Request, console: Service, visible: Namespaces) -> Response:
    """The list alone."""
    return page("_runs.html", **_listed(asked(request.query_params.multi_items()), console, visible))


@router.get("/ui/runs/{run_id}")
def run(run: VisibleRun, caller: Calling, console: Service) -> Response:
    """One run."""
    manifest = filled.to_yaml(_manifest(run))
    return page("run.html", caller=caller, manifest=manifest, **_told(run, caller, console))


@router.get("/ui/parts/runs/{run_id}")
def run_part(run: VisibleRun, caller: Calling, console: Service) -> Response:
    """Its state: all of its page that changes, the curves and the log apart."""
    return page("_parts.html", **_told(run, caller, console))


@router.get("/ui/parts/runs/{run_id}/pods")
def pods_part(run: VisibleRun, caller: Calling) -> Response:
    """Its pods and ranks, as the API server tells the caller."""
    return page("_pods.html", told=told.Told(run, now()), pods=pods.of_run(caller.connection(), run))


@router.get("/ui/compare")
def compare(
    caller: Calling, console: Service, run: Annotated[list[str], Query(default_factory=list, max_length=100)]
) -> Response:
    """Up to eight runs side by side."""
    ids = list(dict.fromkeys(run))[: compared.MOST_RUNS]
    shown = [told.Told(seen_run(each, caller, console), now()) for each in ids]
    return page(
        "compare.html",
        caller=caller,
        runs=shown,
        differing=compared.settings(differences([each.spec for each in shown])),
        outcomes=compared.outcomes(shown, [_last_epoch(console, each) for each in ids]),
        left_out=max(0, len(set(run)) - len(ids)),
    )


@router.get("/ui/new")
def new(
    caller: Calling,
    console: Service,
    like: Annotated[str, Query(max_length=100)] = "",
    mode: str = "form",
) -> Response:
    """The form that starts a run, perhaps filled in as an earlier one was."""
    texts = {filled.NAMESPACE: starting.usual_namespace(caller, console)}
    if like:
        texts = filled.texts_of(_manifest(seen_run(like, caller, console))) | {filled.NAME: ""}
    return starting.form(caller, starting.Draft(texts=texts, as_yaml=mode == "yaml"))


@router.post("/ui/new")
async def start(request: Request, caller: Calling, console: Service) -> Response:
    """Checks what was written and starts it, or shows it again with what is wrong."""
    pairs = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    return await run_in_threadpool(starting.submitted, pairs, caller, console)


def _listed(wanted: Asked, console: Console, visible: Namespaces) -> dict[str, Any]:
    moment = now()
    narrowed = wanted.filter(visible, moment)
    try:
        found = console.history.runs(narrowed, wanted.sort, wanted.cursor or None, PAGE_SIZE)
    except ValueError:  # a cursor of another list, or one that somebody wrote
        found = console.history.runs(narrowed, wanted.sort, None, PAGE_SIZE)
    return {
        "asked": wanted,
        "runs": [told.Told(each, moment) for each in found.runs],
        "next_cursor": found.next_cursor,
        "counts": console.history.count(replace(narrowed, phases=())),
        "phases": list(Phase),
    }


def _told(run: Run, caller: Caller, console: Console) -> dict[str, Any]:
    attempts, events = console.history.attempts(run.run_id), console.history.events(run.run_id)
    return {
        "told": told.Told(run, now()),
        "attempts": attempts,
        "events": events,
        "samples": told.pictures(run.artifacts, "samples"),
        "plots": told.pictures(run.artifacts, "plots"),
        "may_change": _may(caller, "patch", run),
        "may_delete": _may(caller, "delete", run),
    }


def _last_epoch(console: Console, run_id: str) -> Epoch:
    last = console.history.last_epoch(run_id)
    found = console.history.epochs(run_id, after=last - 1, limit=1) if last else []
    return found[0] if found else {}


def _may(caller: Caller, verb: str, run: Run) -> bool:
    """No where nobody can say: the history reads on while the cluster is away."""
    try:
        return run.deleted_at is None and caller.may(verb, run.namespace)
    except UnreachableError:
        return False


def _manifest(run: Run) -> Mapping[str, Any]:
    """As somebody would write it."""
    return manifest_of(run.name, run.namespace, run.object.get("spec") or {})

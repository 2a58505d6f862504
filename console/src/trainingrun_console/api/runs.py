"""Runs as the history knows them: lists, one run, what happened to it, and several side by side."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from trainingrun_api.reasons import Phase
from trainingrun_console.api import models, pods
from trainingrun_console.api.asking import (
    NAME,
    RUN_ID,
    Calling,
    Service,
    VisibleRun,
    seen_run,
    visible_namespaces,
)
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.api.problems import Problem, unprocessable
from trainingrun_console.history.records import SORTS, Filter

router = APIRouter(tags=["runs"])
FEWEST, MOST = 2, 8
"""Runs that are compared."""
NO_SETTINGS = frozenset({"suspend", "ttlSecondsAfterFinished"})
PLAIN = r"^[^\x00]*$"
"""PostgreSQL takes no NUL in a text."""
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
Namespace = Annotated[str, Query(pattern=NAME, max_length=63)]
Project = Annotated[str, Query(pattern=NAME, max_length=63)]
Sort = Annotated[
    str,
    Query(
        description="What to sort by; a '-' before it turns the order.",
        pattern=f"^-?({'|'.join(SORTS)})$",
        examples=["-created_at"],
    ),
]


def _written(value: Any) -> Any:
    """Not a number, which is taken for seconds or for milliseconds by its size."""
    if isinstance(value, str) and not DATE.match(value):
        raise ValueError("write date, time and zone, such as 2026-01-31T00:00:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The ends of the calendar have no moment in every zone."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is before the year 1 or after the year 9999 in UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]


def wanted_namespaces(
    caller: Calling,
    service: Service,
    namespace: Annotated[
        list[Namespace] | None,
        Query(description="Only of this namespace; again for more.", examples=[["radiology"]], max_length=50),
    ] = None,
) -> Sequence[str] | None:
    """Those that were asked for, else all that the caller may list; None: all.

    Raises Problem 403 where one of those asked for is not theirs.
    """
    if not namespace:
        return visible_namespaces(caller, service)
    served = service.settings.namespaces
    for each in namespace:
        if (served is not None and each not in served) or not caller.may("list", each):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"{caller.name} may not list trainingruns in the namespace {each}, or it is not served here",
            )
    return namespace


@router.get("/runs", summary="List runs", responses=problems(*COMMON))
def list_runs(
    service: Service,
    namespaces: Annotated[Sequence[str] | None, Depends(wanted_namespaces)],
    project: Annotated[
        list[Project] | None,
        Query(description="Only of this project; again for more.", examples=[["chest-xray"]], max_length=50),
    ] = None,
    phase: Annotated[
        list[Phase] | None,
        Query(description="Only in this phase; again for more.", examples=[["Running"]], max_length=4),
    ] = None,
    created_from: Annotated[
        Moment | None,
        Query(description="Created then or later (RFC 3339).", examples=["2026-01-31T00:00:00Z"]),
    ] = None,
    created_to: Annotated[
        Moment | None,
        Query(description="Created before then (RFC 3339).", examples=["2026-02-28T00:00:00Z"]),
    ] = None,
    text: Annotated[
        str,
        Query(
            description="In the name, project, reason or message, in any case.",
            max_length=200,
            pattern=PLAIN,
            examples=["chest"],
        ),
    ] = "",
    include_deleted: Annotated[bool, Query(description="Also runs whose TrainingRun is deleted.")] = True,
    sort: Sort = "-created_at",
    cursor: Annotated[
        str | None,
        Query(description="`next_cursor` of the page before.", max_length=1000, pattern=PLAIN),
    ] = None,
    limit: Annotated[int, Query(description="Runs of a page.", ge=1, le=200)] = 50,
) -> models.RunPage:
    """Runs that the caller may see, page by page. Runs that come or go meanwhile shift nothing."""
    wanted = Filter(
        namespaces=namespaces,
        projects=project or (),
        phases=phase or (),
        created_from=created_from,
        created_to=created_to,
        text=text,
        include_deleted=include_deleted,
    )
    try:
        page = service.history.runs(wanted, sort=sort, cursor=cursor, limit=limit)
    except ValueError as error:
        raise unprocessable("query.cursor", str(error)) from error
    return models.RunPage.model_validate(page)


@router.get("/runs/compare", summary="Compare runs", responses=problems(*COMMON, 404))
def compare_runs(
    service: Service,
    caller: Calling,
    run: Annotated[
        list[Annotated[str, Query(pattern=RUN_ID, max_length=100)]],
        Query(
            description="Two to eight runs.",
            min_length=FEWEST,
            max_length=MOST,
            examples=[["chest-0a1b2c3d", "chest-2-4e5f6a7b"]],
        ),
    ],
) -> models.Comparison:
    """The epochs of each, and the settings in which they differ."""
    if len(set(run)) < len(run):
        raise unprocessable("query.run", "each run can be named once")
    found = [seen_run(each, caller, service) for each in run]
    epochs = [service.history.epochs(each.run_id) for each in found]
    return models.Comparison(
        runs=[
            models.ComparedRun(run=models.RunSummary.model_validate(each), epochs=numbers)
            for each, numbers in zip(found, epochs, strict=True)
        ],
        differences=differences([each.object.get("spec") or {} for each in found]),
    )


@router.get("/runs/{run_id}", summary="One run", responses=problems(*COMMON, 404))
def one_run(run: VisibleRun) -> models.RunDetail:
    """All that is known of it; epochs, attempts and events have routes of their own."""
    return models.RunDetail.model_validate(run)


@router.get("/runs/{run_id}/attempts", summary="Attempts that ended", responses=problems(*COMMON, 404))
def list_attempts(run: VisibleRun, service: Service) -> models.Attempts:
    """Each with how it ended, and the work that was lost."""
    found = service.history.attempts(run.run_id)
    return models.Attempts(
        run_id=run.run_id, attempts=[models.Attempt.model_validate(each) for each in found]
    )


@router.get("/runs/{run_id}/events", summary="Events", responses=problems(*COMMON, 404))
def list_events(run: VisibleRun, service: Service) -> models.Events:
    """Kubernetes Events about the run, kept beyond the hour for which the cluster keeps them."""
    found = service.history.events(run.run_id)
    return models.Events(run_id=run.run_id, events=[models.Event.model_validate(each) for each in found])


@router.get("/runs/{run_id}/pods", summary="Pods and ranks", responses=problems(*COMMON, 404))
def list_pods(run: VisibleRun, caller: Calling) -> models.Pods:
    """The pods that there are now, read with the caller's own rights."""
    return models.Pods(run_id=run.run_id, pods=pods.of_run(caller.connection(), run))


def differences(specs: Sequence[Mapping[str, Any]]) -> list[models.Difference]:
    """Settings in which specs differ, by their paths."""
    flat = [
        flattened({key: value for key, value in spec.items() if key not in NO_SETTINGS}) for spec in specs
    ]
    paths = sorted({path for each in flat for path in each})
    rows = [(path, [each.get(path) for each in flat]) for path in paths]
    return [
        models.Difference(field=path, values=values)
        for path, values in rows
        if any(value != values[0] for value in values)
    ]


def flattened(value: Any, path: str = "spec") -> dict[str, Any]:
    """Leaves by dotted path; lists are leaves."""
    if not isinstance(value, Mapping) or not value:
        return {path: value}
    return {
        name: leaf for key, inner in value.items() for name, leaf in flattened(inner, f"{path}.{key}").items()
    }

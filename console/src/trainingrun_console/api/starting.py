"""What all ways to start a run share: which namespace, whether the project is free, and the creation itself.

The operator lets one run of a project go at a time in any case; what stands here is for people, who want to
be told at once.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from trainingrun_api import names
from trainingrun_api.reasons import Phase
from trainingrun_client.cluster import ClusterBackend
from trainingrun_client.run import TrainingRun
from trainingrun_console.access.caller import Caller
from trainingrun_console.api import estimates, models
from trainingrun_console.api.asking import visible_namespaces
from trainingrun_console.api.live_object import current
from trainingrun_console.api.problems import Problem, unprocessable
from trainingrun_console.collecting.observed import run_of
from trainingrun_console.console import Console
from trainingrun_console.history.records import Filter, Run

UNFINISHED = (Phase.RUNNING, Phase.PENDING)
MOST_RIVALS, MOST_SEEN, MOST_LIKE = 20, 200, 20
_locks = tuple(threading.Lock() for _ in range(64))


def chosen_namespace(caller: Caller, service: Console, asked: str | None, field: str) -> str:
    """That of the request, else the only one that is served, else on loopback that of the kubeconfig.

    Raises Problem 422 naming the field where there is none of these, 403 where it is not served.
    """
    served = service.settings.namespaces
    if asked is None and served is not None and len(served) == 1:
        return served[0]
    if asked is None and service.settings.loopback:
        asked = caller.connection().namespace
    if asked is None:
        raise unprocessable(field, "name the namespace in which the run is to be")
    if served is not None and asked not in served:
        raise Problem(HTTPStatus.FORBIDDEN, f"the namespace {asked} is not served here")
    return asked


@contextmanager
def project_held(namespace: str, project: str | None) -> Iterator[None]:
    """One start of a project after another, so that of two at the same time one sees the other."""
    if project is None:
        yield
        return
    with _locks[hash((namespace, project)) % len(_locks)]:
        yield


def active_run(
    caller: Caller, service: Console, namespace: str, project: str | None, but: str = ""
) -> str | None:
    """Name of the run that holds the project; None where it is free. `but`: a run_id that does not count."""
    if project is None:
        return None
    wanted = Filter(namespaces=[namespace], projects=[project], phases=UNFINISHED, include_deleted=False)
    waiting = None
    for run in service.history.runs(wanted, sort="created_at", limit=MOST_RIVALS).runs:
        if run.run_id == but or (now := _still(caller, run)) is None:
            continue
        if now.status.waiting_for:
            waiting = waiting or now.status.waiting_for
        elif now.phase == Phase.RUNNING or not now.raw["spec"].get("suspend"):
            return now.name
    return waiting


def refuse_busy(active: str | None, project: str | None) -> None:
    """Raises Problem 409 with the active run's name."""
    if active is not None:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"the run {active} of the project {project} is active: wait for its end, suspend it or delete it",
            active_run=active,
        )


def created(
    caller: Caller, service: Console, manifest: Mapping[str, Any], *, dry_run: bool = False
) -> TrainingRun:
    """The run, which the history then knows. Raises ApiError and UnreachableError."""
    run = ClusterBackend(caller.connection()).submit(manifest, dry_run=dry_run)
    if not dry_run:
        known = run_of(run.raw)
        if service.history.run(known.run_id) is None:
            service.history.save(known)
            service.hub.changed(known.run_id)
    return run


def manifest_of(
    name: str, namespace: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A TrainingRun as it is submitted."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": dict(spec)}


def started(caller: Caller, service: Console, run: TrainingRun, message: str) -> models.Started:
    """The answer."""
    told, spec = run_of(run.raw), run.raw.get("spec") or {}
    return models.Started(
        run_id=told.run_id,
        name=told.name,
        namespace=told.namespace,
        training_mode=told.training_mode,
        status=told.phase.lower(),
        message=message,
        estimated_duration=estimates.estimated_seconds(spec, _completed(caller, service, told.task)),
    )


def _completed(caller: Caller, service: Console, task: str | None) -> list[Run]:
    """The newest runs of the task that the caller may see."""
    if task is None:
        return []
    wanted = Filter(namespaces=visible_namespaces(caller, service), phases=(Phase.COMPLETED,))
    page = service.history.runs(wanted, sort="-completed_at", limit=MOST_SEEN).runs
    alike = [run.run_id for run in page if run.task == task and run.training_time and run.epoch]
    found = (service.history.run(run_id) for run_id in alike[:MOST_LIKE])
    return [run for run in found if run is not None]


def _still(caller: Caller, run: Run) -> TrainingRun | None:
    """The object, if it is there and not over."""
    try:
        now = current(caller, run)
    except Problem:
        return None
    deleting = now.raw["metadata"].get("deletionTimestamp") is not None
    return None if deleting or now.finished else now

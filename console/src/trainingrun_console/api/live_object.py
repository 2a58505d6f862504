"""The TrainingRun of a run as it is now, by the caller's own rights; and changes of exactly that one.

Another run may have taken its name meanwhile: whatever is changed is named by its UID too.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from trainingrun_client.cluster import RUNS
from trainingrun_client.connection import Connection
from trainingrun_client.errors import ConflictError, NotFoundError
from trainingrun_client.run import TrainingRun
from trainingrun_console.access.caller import Caller
from trainingrun_console.api.problems import Problem
from trainingrun_console.history.records import Run


def current(caller: Caller, run: Run) -> TrainingRun:
    """The object. Raises Problem 410 where it is deleted, and ApiError."""
    if run.deleted_at is not None:
        raise _gone(run)
    try:
        found = TrainingRun(caller.connection().get(RUNS.path(run.namespace, run.name)))
    except NotFoundError as error:
        raise _gone(run) from error
    if found.uid != run.uid:
        raise _gone(run)
    return found


def patched(caller: Caller, run: TrainingRun, change: Mapping[str, Any]) -> TrainingRun:
    """The object after a merge patch. Raises Problem 410 and ApiError."""
    metadata = {**change.get("metadata", {}), "uid": run.uid}
    try:
        connection = caller.connection()
        return TrainingRun(
            connection.patch(RUNS.path(run.namespace, run.name), {**change, "metadata": metadata})
        )
    except NotFoundError as error:
        raise _gone(run) from error


def deleted(connection: Connection, run: TrainingRun) -> None:
    """Deletes the object. Raises Problem 410 and ApiError."""
    try:
        connection.delete(RUNS.path(run.namespace, run.name), {"preconditions": {"uid": run.uid}})
    except (NotFoundError, ConflictError) as error:
        raise _gone(run) from error


def _gone(run: Run | TrainingRun) -> Problem:
    return Problem(
        HTTPStatus.GONE,
        f"the TrainingRun {run.name} of the namespace {run.namespace} is deleted; only its history is left. "
        "POST /api/training/{run_id}/run starts a new one by its spec",
    )

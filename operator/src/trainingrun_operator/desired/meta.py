"""Labels and owners of a run's children."""

from typing import Any

from trainingrun_api import names
from trainingrun_operator.observed import Run


def run_labels(run: Run) -> dict[str, str]:
    """On every child."""
    return {names.RUN_LABEL: run.name, names.UID_LABEL: run.uid}


def attempt_labels(run: Run, attempt: int) -> dict[str, str]:
    """On Jobs and pods, which belong to one attempt."""
    return {**run_labels(run), names.ATTEMPT_LABEL: str(attempt)}


def owner(run: Run) -> dict[str, Any]:
    """The reference by which the garbage collector removes a child together with its run."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": run.name,
        "uid": run.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }

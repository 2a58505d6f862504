"""All objects of an attempt, in the order in which they are created."""

from typing import Any

from trainingrun_api import TrainingRunSpec
from trainingrun_operator.desired.job import job
from trainingrun_operator.desired.pvc import checkpoint_claim
from trainingrun_operator.desired.service import service
from trainingrun_operator.observed import Run
from trainingrun_operator.plan import Image


def children(
    run: Run, spec: TrainingRunSpec, attempt: int, trainer_image: Image
) -> tuple[dict[str, Any], ...]:
    """The Job comes last: where it exists, the others do."""
    found: list[dict[str, Any]] = []
    if spec.checkpoints is not None and spec.checkpoints.claim is None:
        found.append(checkpoint_claim(run, spec.checkpoints, spec.nodes))
    if spec.nodes > 1:
        found.append(service(run))
    return (*found, job(run, spec, attempt, trainer_image))

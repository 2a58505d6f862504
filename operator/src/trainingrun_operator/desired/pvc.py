"""The claim for checkpoints and results, where the spec names none."""

from typing import Any

from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.checkpoints import Checkpoints
from trainingrun_operator.desired.meta import owner, run_labels
from trainingrun_operator.observed import Run


def claim_name(run: Run, spec: TrainingRunSpec) -> str | None:
    """The claim that pods mount, or None for a run that keeps nothing."""
    if spec.checkpoints is None:
        return None
    return spec.checkpoints.claim or names.checkpoint_claim_name(run.name)


def checkpoint_claim(run: Run, checkpoints: Checkpoints, nodes: int) -> dict[str, Any]:
    """A new claim of the wanted size; without an owner where it must outlive the run."""
    meta: dict[str, Any] = {
        "name": names.checkpoint_claim_name(run.name),
        "namespace": run.namespace,
        "labels": run_labels(run),
    }
    if not checkpoints.retain:
        meta["ownerReferences"] = [owner(run)]
    spec: dict[str, Any] = {
        "accessModes": [checkpoints.access_mode or ("ReadWriteOnce" if nodes == 1 else "ReadWriteMany")],
        "resources": {"requests": {"storage": checkpoints.size}},
    }
    if checkpoints.storage_class:
        spec["storageClassName"] = checkpoints.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}

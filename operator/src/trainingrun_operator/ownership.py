"""Whose object it is that already has the name of one of a run's children. Pure."""

from trainingrun_api import names
from trainingrun_operator.errors import NameTakenError
from trainingrun_operator.observed import Raw, Run, controller_uid


def contest(run: Run, existing: Raw) -> NameTakenError | None:
    """None where the object serves the run, else the error that says who has the name.

    A claim without an owner but with the run's label was kept from an earlier run of that name, for this one
    to use. An object of an earlier run of that name is about to be removed by the garbage collector.
    """
    meta, kind = existing["metadata"], existing["kind"]
    if controller_uid(existing) == run.uid:
        return None
    owners = meta.get("ownerReferences") or ()
    labelled = (meta.get("labels") or {}).get(names.RUN_LABEL) == run.name
    going = "deletionTimestamp" in meta
    if kind == "PersistentVolumeClaim" and labelled and not owners and not going:
        return None
    if going or any(owner["kind"] == names.KIND and owner["name"] == run.name for owner in owners):
        return NameTakenError(
            f"waiting for {kind} {meta['name']} to be removed, which belongs to an earlier object",
            passing=True,
        )
    return NameTakenError(
        f"{kind} {meta['name']} exists and is not this run's: delete it, then set the annotation "
        f"{names.RETRY_ANNOTATION} of the TrainingRun to a new text, or create a run of another name",
        passing=False,
    )

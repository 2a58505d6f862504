"""Start a training by a few words, as clients of the X-ray system do."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import Field

from trainingrun_api import names
from trainingrun_client.errors import AlreadyExistsError, InvalidError
from trainingrun_console.api import models, overrides
from trainingrun_console.api.asking import NAME, Calling, Service
from trainingrun_console.api.description import COMMON, problems
from trainingrun_console.api.models import Given
from trainingrun_console.api.problems import FieldError, Problem, of_error, unprocessable
from trainingrun_console.api.starting import (
    active_run,
    chosen_namespace,
    created,
    manifest_of,
    project_held,
    started,
)

router = APIRouter(tags=["changes"])
DATA = "/data"
"""Where the claim with the data is mounted."""
CHECKPOINTS = "10Gi"
"""Of a new claim for results, where no override says otherwise."""
VOLUMES = frozenset({"volumes", "image"})
"""Fields by which data may come into a pod without a claim."""


class Experiment(Given):
    """A centralized training."""

    run_name: str = Field(
        min_length=1,
        max_length=names.MAX_NAME_LENGTH,
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_. ]*$",
        description="Name of the run; capitals become small, and '_', '.' and spaces '-'.",
        examples=["exp_001_baseline"],
    )
    dataset_path: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="A ZIP or a directory in the claim, which is mounted at /data: pneumonia.zip and "
        "/data/pneumonia.zip are the same. chest-data:pneumonia.zip names the claim too. Default: the claim "
        "itself is the directory.",
        examples=["/data/pneumonia_dataset.zip"],
    )
    claim: str | None = Field(
        None,
        pattern=NAME,
        max_length=253,
        description="PersistentVolumeClaim with the data.",
        examples=["chest-data"],
    )
    config_overrides: dict[str, Any] = Field(
        {},
        max_length=200,
        description="Values by dotted path, in the words of the X-ray system (experiment.epochs, "
        "system.batch_size) or by the fields of a TrainingRun's spec (training.seed, nodes).",
        examples=[{"experiment.epochs": 100, "experiment.learning_rate": 0.0005, "system.batch_size": 16}],
    )
    namespace: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="Where the run is to be. Default: the only one that is served; on loopback, that of the "
        "kubeconfig.",
        examples=["radiology"],
    )
    project: str | None = Field(
        None,
        pattern=NAME,
        max_length=63,
        description="One run of a project is active at a time.",
        examples=["chest-xray"],
    )


@router.post(
    "/experiments/centralized",
    summary="Start a centralized training",
    status_code=HTTPStatus.CREATED,
    responses=problems(*COMMON, 404, 409),
)
def start_experiment(
    experiment: Annotated[Experiment, Body()], caller: Calling, service: Service, response: Response
) -> models.Started:
    """Creates a TrainingRun with the caller's own rights. Where its project is busy it waits its turn."""
    spec, sources = spec_of(experiment)
    namespace = chosen_namespace(caller, service, experiment.namespace, "body.namespace")
    name = run_name(experiment.run_name)
    with project_held(namespace, spec.get("project")):
        active = active_run(caller, service, namespace, spec.get("project"))
        try:
            run = created(caller, service, manifest_of(name, namespace, spec))
        except InvalidError as error:
            raise renamed(of_error(error), sources) from error
        except AlreadyExistsError as error:
            taken = FieldError(
                "body.run_name", f"the namespace {namespace} has a run {name}: take another name"
            )
            raise Problem(HTTPStatus.CONFLICT, taken.message, errors=[taken]) from error
    answer = started(caller, service, run, f"waits for the run {active}" if active else "Training started")
    response.headers["Location"] = f"/runs/{answer.run_id}"
    return answer


def run_name(text: str) -> str:
    """As Kubernetes allows it.

    >>> run_name("exp_001 Baseline")
    'exp-001-baseline'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def spec_of(experiment: Experiment) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The spec, and the field of the request that each path of it is from.

    Raises Problem 422 with all fields that cannot be taken.
    """
    read = overrides.read(experiment.config_overrides)
    fields: dict[str, Any] = {"training.task": "classification"}
    sources = {path: overrides.PREFIX + key for path, key in read.keys.items()}
    if not any(path.startswith("checkpoints.") for path in read.fields):
        fields["checkpoints.size"] = CHECKPOINTS
    errors = [*read.errors, *_repeated(experiment, read.fields)]
    given = read.fields.keys()
    try:
        claim, path = _data(experiment, bool(VOLUMES & given), "training.data.path" in given)
        if path is not None:
            fields["training.data.path"] = path
            fields["training.data.format"] = "zip" if path.lower().endswith(".zip") else "directory"
            sources.setdefault("training.data.path", "body.dataset_path")
        if claim is not None:
            fields["volumes"] = [{"claim": claim, "mountPath": DATA, "readOnly": True}]
            sources.setdefault("volumes", "body.claim")
    except Problem as problem:
        errors += problem.errors
    if experiment.project is not None:
        fields["project"], sources["project"] = experiment.project, "body.project"
    if errors:
        said = "; ".join(f"{each.field}: {each.message}" for each in errors)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, said, errors=errors)
    return overrides.nested({**fields, **read.fields}), sources


def renamed(problem: Problem, sources: Mapping[str, str]) -> Problem:
    """With the fields of the request instead of those of the spec that they became."""
    errors = []
    for error in problem.errors:
        path = error.field.removeprefix("spec.")
        source = next((sources[each] for each in sources if f"{path}.".startswith(f"{each}.")), None)
        errors.append(FieldError(source, f"{error.field}: {error.message}") if source else error)
    return Problem(problem.status, problem.detail, errors=errors, headers=problem.headers)


def _repeated(experiment: Experiment, fields: Mapping[str, Any]) -> Sequence[FieldError]:
    twice = {
        "dataset_path": "training.data.path",
        "claim": "volumes",
        "project": "project",
    }
    return [
        FieldError(f"body.{name}", f"config_overrides sets {path} too: leave one out")
        for name, path in twice.items()
        if getattr(experiment, name) is not None and path in fields
    ]


def _data(experiment: Experiment, comes_otherwise: bool, path_is_set: bool) -> tuple[str | None, str | None]:
    """Claim and absolute path of the data. Raises Problem 422."""
    claim, path = experiment.claim, experiment.dataset_path
    if claim is None and path is not None and ":" in path:
        claim, _, path = path.partition(":")
        if not re.fullmatch(NAME, claim):
            raise unprocessable("body.dataset_path", f"{claim!r} cannot be the name of a claim")
    if claim is None and not comes_otherwise:
        raise unprocessable(
            "body.claim", "name the PersistentVolumeClaim that holds the data, such as chest-data"
        )
    if path_is_set or (claim is None and path is None):
        return claim, None
    whole = _below_data(path or "")
    if claim is not None and not whole.is_relative_to(DATA):
        raise unprocessable("body.dataset_path", f"the claim is mounted at {DATA}: write a path below it")
    return claim, str(whole)


def _below_data(text: str) -> PurePosixPath:
    """The absolute path of a file; data/a.zip and a.zip are both /data/a.zip."""
    path = PurePosixPath(text)
    if path.is_absolute():
        return path
    return PurePosixPath(DATA, *(path.parts[1:] if path.parts[:1] == ("data",) else path.parts))

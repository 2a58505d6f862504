"""Starting a run from the page: what was written is checked here, then by the API server, then created."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.responses import RedirectResponse, Response

from trainingrun_client.errors import ApiError, InputError, TrainingRunError
from trainingrun_console.access.caller import Caller
from trainingrun_console.api.problems import Problem
from trainingrun_console.api.starting import chosen_namespace, created
from trainingrun_console.collecting.observed import run_id
from trainingrun_console.console import Console
from trainingrun_console.page import filled, forms
from trainingrun_console.page.filled import NAME, NAMESPACE, Errors, Texts
from trainingrun_console.page.serving import page

START, CHECK, TO_YAML, TO_FORM = "start", "check", "yaml", "form"
"""What the buttons of the form do."""


@dataclass
class Draft:
    """What somebody has written so far."""

    texts: Texts = field(default_factory=dict)
    yaml: str = ""
    as_yaml: bool = False
    errors: Errors = field(default_factory=Errors)
    said: str = ""
    """What a check found, where nothing is wrong."""


def form(caller: Caller, draft: Draft, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """The page with the form."""
    if draft.as_yaml and not draft.yaml:
        draft.yaml = filled.to_yaml(filled.manifest_of(draft.texts, Errors()))
    return page(
        "new.html",
        status,
        caller=caller,
        draft=draft,
        groups=forms.groups(),
        rows_of=filled.rows_of,
        NAME=NAME,
        NAMESPACE=NAMESPACE,
    )


def usual_namespace(caller: Caller, console: Console) -> str:
    """Where a run of this caller's is likely to go."""
    served = console.settings.namespaces
    if served is not None and len(served) == 1:
        return served[0]
    return caller.connection().namespace if console.settings.loopback else ""


def submitted(pairs: Sequence[tuple[str, str]], caller: Caller, console: Console) -> Response:
    """The form again, or the way to the new run. Asks the API server, so call it in a thread."""
    given = dict(pairs)
    wanted = given.get("do", START)
    draft = Draft(as_yaml="yaml" in given, yaml=given.get("yaml", ""))
    manifest = _read(draft, pairs)
    if wanted in (TO_YAML, TO_FORM):
        return _turned(caller, draft, manifest, wanted)
    if not draft.errors:
        filled.check(manifest, draft.errors)
    if not draft.errors:
        new = _created(manifest, caller, console, draft.errors, dry_run=wanted == CHECK)
        if new and wanted != CHECK:
            return RedirectResponse(f"/ui/runs/{run_id(new['metadata'])}", HTTPStatus.SEE_OTHER)
    if draft.errors:
        return form(caller, draft, HTTPStatus.UNPROCESSABLE_ENTITY)
    draft.said = "The API server would take this run."
    return form(caller, draft)


def _read(draft: Draft, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    if not draft.as_yaml:
        draft.texts = filled.renumbered(pairs)
        return filled.manifest_of(draft.texts, draft.errors)
    try:
        manifest = filled.read_yaml(draft.yaml)
    except ValueError as error:
        draft.errors.general.append(str(error))
        return {}
    draft.texts = filled.texts_of(manifest)
    return manifest


def _turned(caller: Caller, draft: Draft, manifest: Mapping[str, Any], wanted: str) -> Response:
    """The same as YAML, or in the fields."""
    if draft.errors:
        return form(caller, draft, HTTPStatus.UNPROCESSABLE_ENTITY)
    draft.as_yaml = wanted == TO_YAML
    if draft.as_yaml:
        draft.yaml = filled.to_yaml(manifest)
    return form(caller, draft)


def _created(
    manifest: Mapping[str, Any], caller: Caller, console: Console, errors: Errors, *, dry_run: bool
) -> Mapping[str, Any] | None:
    """The object as the API server made it; None where it refused, with what it said in `errors`."""
    try:
        namespace = chosen_namespace(caller, console, manifest["metadata"].get("namespace"), NAMESPACE)
        body = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
        checked = created(caller, console, body, dry_run=True).raw
        return checked if dry_run else created(caller, console, body).raw
    except Problem as problem:
        errors.add(NAMESPACE, str(problem))
    except ApiError as error:
        filled.refused(error, errors)
    except InputError as error:
        errors.add(NAME, str(error))
    except TrainingRunError as error:
        errors.general.append(str(error))
    return None

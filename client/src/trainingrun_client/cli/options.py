"""What the verbs have in common: how they find the cluster, and the forms of their answer."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from trainingrun_api import names
from trainingrun_client.client import TrainingRunClient

CLUSTER = "Which cluster"

Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Default: that of the context.", rich_help_panel=CLUSTER),
]
Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig. Default: the current one.", rich_help_panel=CLUSTER),
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="File. Default: KUBECONFIG, or ~/.kube/config.", rich_help_panel=CLUSTER),
]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")]


class Form(StrEnum):
    """Of what is printed."""

    JSON = "json"
    YAML = "yaml"
    WIDE = "wide"
    NAME = "name"


Output = Annotated[
    Form | None, typer.Option("--output", "-o", help="Another form than the usual one.", show_choices=True)
]


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Names of runs that begin so, for the shell; nothing where no cluster answers."""
    given = {name: context.params.get(name) for name in ("namespace", "context", "kubeconfig")}
    try:
        runs = TrainingRunClient(
            given["namespace"], context=given["context"], kubeconfig=given["kubeconfig"]
        ).list()
    except Exception:  # noqa: BLE001 - a completion must not disturb the line
        return []
    return [run.name for run in runs if run.name.startswith(incomplete)]


def _bare(name: str) -> str:
    """Also of `tr/NAME`, and of what `-o name` prints."""
    kind, slash, rest = name.partition("/")
    known = {names.SHORT_NAME, names.SINGULAR, names.PLURAL, f"{names.SINGULAR}.{names.GROUP}"}
    return rest if slash and kind in known else name


Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Name of the run.", autocompletion=complete_run, parser=_bare),
]
Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Names of runs.", autocompletion=complete_run, parser=_bare),
]


def of_cluster(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with --namespace, --context and --kubeconfig in place of its first parameter, the client."""
    _client, *others = inspect.signature(verb).parameters.values()
    ways = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in (("namespace", Namespace), ("context", Context), ("kubeconfig", Kubeconfig))
    ]

    @wraps(verb)
    def run(
        *arguments: Any, namespace: str | None, context: str | None, kubeconfig: str | None, **rest: Any
    ) -> None:
        client = TrainingRunClient(namespace, context=context, kubeconfig=kubeconfig)
        verb(client, *arguments, **rest)

    run.__signature__ = inspect.Signature([*others, *ways])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*others, *ways)}
    return run

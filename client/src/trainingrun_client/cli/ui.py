"""`ui`: the page of the runs in a browser, by the console, which takes the place of this process."""

import importlib.util
import os
import sys
from typing import Annotated

import typer

from trainingrun_api import names
from trainingrun_client.cli.options import AllNamespaces, Context, Kubeconfig, Namespace
from trainingrun_client.errors import InputError, MissingExtraError

CONSOLE = "trainingrun_console"
NEEDED = (CONSOLE, "fastapi", "sqlalchemy", "uvicorn")


def ui(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = names.CONSOLE_PORT,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Of the history. Default: a file for each cluster.")
    ] = None,
) -> None:
    """Show runs in a browser: live curves, logs, comparisons, and a form to start them.

    It is served from this machine, for you alone and with your rights, until Ctrl-C. What it saw of a run
    stays known after the run is deleted.
    """
    if namespace and all_namespaces:
        raise InputError("--namespace and --all-namespaces exclude each other: leave one out")
    if not all(importlib.util.find_spec(name) for name in NEEDED):
        raise MissingExtraError("the page", "console")
    given = {"namespace": namespace, "context": context, "kubeconfig": kubeconfig, "database": database}
    words = ["serve", f"--port={port}", *(f"--{name}={value}" for name, value in given.items() if value)]
    words += ["--all-namespaces"] if all_namespaces else []
    words += ["--no-browser"] if no_browser else []
    # Without -P, a file of the current directory could be taken for a library.
    os.execv(sys.executable, [sys.executable, "-P", "-m", CONSOLE, *words])

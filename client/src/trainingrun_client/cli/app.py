"""All verbs of `kubectl trainingrun`. A new one is a file beside this one and a line here."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Annotated

import typer

from trainingrun_client.cli import artifacts, data
from trainingrun_client.cli.change import cancel, resume, retry, suspend
from trainingrun_client.cli.compare import compare
from trainingrun_client.cli.describe import describe
from trainingrun_client.cli.doctor import doctor
from trainingrun_client.cli.init import init
from trainingrun_client.cli.listing import list_runs
from trainingrun_client.cli.local import local
from trainingrun_client.cli.logs import logs
from trainingrun_client.cli.metrics import metrics
from trainingrun_client.cli.options import of_cluster
from trainingrun_client.cli.render import render
from trainingrun_client.cli.submit import submit
from trainingrun_client.cli.ui import ui
from trainingrun_client.cli.validate import validate
from trainingrun_client.cli.wait import wait
from trainingrun_client.cli.watch import watch

HELP = """Train models by TrainingRuns: start them, see them learn, and read why they failed.

\b
    kubectl trainingrun init chest.zip > chest.yaml    look at data, write a run for them
    kubectl trainingrun submit chest.yaml --watch      start it, and see it learn
    kubectl trainingrun describe chest                 its story on one screen
    kubectl trainingrun doctor                         what is wrong with this cluster
"""

app = typer.Typer(
    name="kubectl trainingrun",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: Mapping[str, Callable[..., None]] = {
    "submit": submit,
    "list": list_runs,
    "describe": describe,
    "watch": watch,
    "logs": logs,
    "metrics": metrics,
    "compare": compare,
    "wait": wait,
    "suspend": suspend,
    "resume": resume,
    "retry": retry,
    "cancel": cancel,
    "render": render,
    "doctor": doctor,
}


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("trainingrun"))
        raise typer.Exit


@app.callback()
def _program(
    told: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is."),
    ] = False,
) -> None:
    """Options without a verb."""


app.command("init")(init)
for name, verb in VERBS.items():
    app.command(name)(of_cluster(verb))
data.app.command("validate")(validate)
app.add_typer(data.app, name="data")
app.add_typer(artifacts.app, name="artifacts")
app.command("local")(local)
app.command("ui")(ui)

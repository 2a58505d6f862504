"""All verbs of `kubectl trainingrun`. A new one is a file beside this one and a line here."""

import typer

from trainingrun_client.cli.listing import list_runs
from trainingrun_client.cli.options import of_cluster

HELP = """Train models by TrainingRuns: start them, see them learn, and read why they failed.

    kubectl trainingrun init chest.zip > chest.yaml      look at data and write a run for them
    kubectl trainingrun submit chest.yaml --watch        start it, and see it learn
    kubectl trainingrun describe chest                   its story on one screen
"""

app = typer.Typer(
    name="kubectl trainingrun",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(of_cluster(list_runs))


@app.callback()
def _several() -> None:
    """Keeps the name of the verb even where there is only one."""

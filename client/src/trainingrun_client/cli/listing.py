"""`list`"""

from trainingrun_client.cli import screen
from trainingrun_client.cli.options import AllNamespaces, Output
from trainingrun_client.client import TrainingRunClient


def list_runs(
    client: TrainingRunClient, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """Runs, oldest first."""
    for run in client.list(all_namespaces=all_namespaces):
        screen.out.print(run.name, run.phase)

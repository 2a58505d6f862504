"""`describe`: the story of a run."""

from collections.abc import Sequence
from datetime import UTC, datetime

from trainingrun_client.cli import screen
from trainingrun_client.cli.listing import show_object
from trainingrun_client.cli.options import Form, Output, Run
from trainingrun_client.cli.story import story
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import TrainingRunError
from trainingrun_client.run import Epoch


def describe(client: TrainingRunClient, name: Run, output: Output = None) -> None:
    """The story of a run on one screen.

    State, why, progress, metrics, attempts, checkpoint, what to do.
    """
    run = client.get(name)
    if output in (Form.JSON, Form.YAML):
        show_object(run.raw, output)
        return
    epochs: Sequence[Epoch] = ()
    try:
        epochs = run.history()
    except TrainingRunError as error:
        screen.say(f"no curves: {error}")
    screen.show(screen.sheet(story(run, epochs, datetime.now(UTC))))

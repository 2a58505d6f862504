"""Makes a history forget a run, as its retention does with many."""

from trainingrun_console.history import writing
from trainingrun_console.history.store import History


def forget(history: History, run_id: str) -> None:
    """The run with its epochs, attempts and events."""
    with history._database.writing() as connection:
        writing.delete(connection, [run_id])

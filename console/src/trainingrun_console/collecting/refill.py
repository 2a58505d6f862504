"""Fills a history from run directories, where the TrainingRuns are gone or nobody may list them.

What the history knows already stays: a directory tells less of a run than its object did.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from trainingrun_api.reasons import Phase
from trainingrun_client.connection import Connection
from trainingrun_client.files import volume_of
from trainingrun_client.run import TrainingRun
from trainingrun_console.collecting import run_files
from trainingrun_console.collecting.merging import winners
from trainingrun_console.collecting.observed import run_of
from trainingrun_console.collecting.run_files import RunFiles
from trainingrun_console.history.records import Run
from trainingrun_console.history.store import History


def from_path(history: History, root: Path) -> list[str]:
    """From a run directory, or from those in a directory, as on a claim. The run_ids of the runs found.

    Raises:
        OSError: the directory cannot be read.
    """
    return [run_id for files in _directories(root) if (run_id := take(history, files, files.as_run()))]


def from_cluster(
    history: History, connection: Connection, run: TrainingRun, *, image: str | None = None
) -> str | None:
    """From the claim of a run, through a pod that mounts it with the rights of whoever asks. Its run_id; None
    where its directory is that of no run.

    Args:
        image: of that pod; by default that of the run, of another run or of the operator.

    Raises like `volume_of` and Volume.
    """
    with volume_of(connection, run, image=image) as volume:
        files = run_files.of_volume(volume)
    return take(history, files, run_of(run.raw) if files.as_run() else None)


def take(history: History, files: RunFiles, run: Run | None) -> str | None:
    """Write a run with all that its directory tells. Its run_id; None where there is no run.

    Args:
        run: as its object or its directory tells it.
    """
    if run is None:
        return None
    known, outcome, told = history.run(run.run_id), files.outcome(), files.as_run()
    if known is not None and known.object:
        run = known
    elif told is not None and run.phase == Phase.PENDING:
        run = told
    if known is None:
        history.save(replace(run, phase=Phase.RUNNING, completed_at=None))
    numbers = {attempt.number for attempt in history.attempts(run.run_id)}
    history.save_attempts(
        run.run_id, [attempt for attempt in files.attempts() if attempt.number not in numbers]
    )
    epochs = winners(files.accounts(datetime.now(UTC)), {})
    history.save_epochs(run.run_id, [account.epoch for account in epochs.values()])
    if outcome is not None:
        run = replace(
            run,
            results=outcome.results,
            artifacts=outcome.artifacts,
            provenance=outcome.provenance,
            early_stopped=told.early_stopped if told else None,
            training_time=told.training_time if told else None,
        )
    history.save(run)
    return run.run_id


def _directories(root: Path) -> Iterator[RunFiles]:
    """Without those that a link leads to."""
    for path in (
        ".",
        *sorted(each.name for each in root.iterdir() if each.is_dir() and not each.is_symlink()),
    ):
        yield run_files.of_directory(root, path)

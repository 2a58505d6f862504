"""`local`: trains a run on this machine, in the foreground.

It begins the run, or goes on with the one that is there, and follows it. Ctrl-C is counted, not raised: the
run is asked to stop, and followed until it did.
"""

import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainingrun_api.reasons import Phase
from trainingrun_client.cli import given, screen
from trainingrun_client.cli.given import Changes, File
from trainingrun_client.cli.local_screen import Shown, shown_on
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import InputError, MissingExtraError, NotFoundError
from trainingrun_client.manifests import checked_spec
from trainingrun_client.run import TrainingRun

if TYPE_CHECKING:
    from trainingrun_client.local import LocalBackend

INTERRUPTED = 130
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.25

Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data", metavar="CLAIM=DIR", help="Directory of this machine that stands for a claim of the run."
    ),
]


def local(
    file: File,
    data: Data = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Directory of the run. Default: runs/NAME.")
    ] = None,
    changes: Changes = None,
) -> None:
    """Train on this machine, without a cluster. The same call goes on with a run that was stopped.

    Ctrl-C writes a checkpoint and stops; a second one stops at once. Exit codes: 0 Completed, 1 Failed,
    4 a wrong file or field, 130 stopped.
    """
    backend = backend_for(data, run_dir.absolute().parent if run_dir else Path("runs"))
    manifest = manifest_of(file, run_dir.absolute().name if run_dir else None, changes)
    for remark in backend.remarks(manifest):
        screen.say(f"note: {remark}")
    with _stops() as stops:
        run, begun = _begin(backend, manifest)
        if begun:
            with shown_on(screen.is_terminal()) as shown:
                run = _follow(backend, run, shown, stops)
        else:
            screen.say(f"{run.name} is Completed already; nothing is to be done")
    _tell_end(backend, run)


def backend_for(data: Sequence[str] | None, root: Path) -> "LocalBackend":
    """The backend with the directories of `--data`. Raises InputError and MissingExtraError."""
    directories = {}
    for each in data or ():
        claim, equals, directory = each.partition("=")
        if not equals or not claim or not directory:
            raise InputError(f"--data {each}: write CLAIM=DIR, as --data digits-data=/home/me/digits")
        directories[claim] = directory
    try:
        from trainingrun_client.local import LocalBackend
    except ImportError as error:
        raise MissingExtraError("training on this machine", "trainer") from error
    return LocalBackend(root, data=directories)


def manifest_of(file: Path, name: str | None, changes: list[str] | None) -> dict[str, Any]:
    """The manifest with its overrides, of a run that is not to wait. Raises InputError."""
    manifest = given.manifest_of(file, changes, name=name)
    return {**manifest, "spec": {**manifest["spec"], "suspend": False}}


def _begin(backend: "LocalBackend", manifest: dict[str, Any]) -> tuple[TrainingRun, bool]:
    """The run, and whether it trains from now on."""
    client = TrainingRunClient(backend=backend)
    name = manifest["metadata"]["name"]
    if changed := backend.changed(manifest):
        raise InputError(
            f"{backend.files(name).directory} was trained with another config ({', '.join(changed)} differ): "
            "give another --run-dir, or another metadata.name"
        )
    try:
        run = client.get(name)
    except NotFoundError:
        return client.submit(manifest), True
    if run.phase == Phase.COMPLETED:
        return run, False
    if run.phase == Phase.RUNNING:
        screen.say(f"{name} is training already; this shows it")
        return run, True
    wanted = checked_spec(manifest).to_wire()
    if {**run.raw["spec"], "suspend": False} != wanted:  # how it runs, or what never got as far as training
        client.delete(name)
        return client.submit(manifest), True
    screen.say(f"{name} goes on where it was")
    return (client.retry(name) if run.phase == Phase.FAILED else client.resume(name)), True


def _follow(backend: "LocalBackend", run: TrainingRun, shown: Shown, stops: list[int]) -> TrainingRun:
    """Until no process is left."""
    from trainingrun_client.local.reading import LogReader

    client = TrainingRunClient(backend=backend)
    attempt = run.status.attempt or 0
    log = LogReader(backend.files(run.name).log(attempt), attempt)
    heeded = 0
    while True:
        run = client.get(run.name)
        trains = run.phase == Phase.RUNNING
        shown.show(run, list(log.lines(ended=not trains)))
        if not trains:
            return run
        if len(stops) > heeded:
            heeded += 1
            if heeded == 1:
                shown.say("stopping after a checkpoint; Ctrl-C again stops at once")
                client.suspend(run.name)
            else:
                backend.kill(run.name)
        time.sleep(POLL_SECONDS)


def _tell_end(backend: "LocalBackend", run: TrainingRun) -> None:
    """What came of it, on both streams, by the exit code."""
    directory = backend.files(run.name).directory
    if run.phase == Phase.FAILED:
        screen.say(f"{run.name} is Failed: {run.reason}: {run.message}")
        raise typer.Exit(1)
    if run.phase != Phase.COMPLETED:
        again = shlex.join(["kubectl", "trainingrun", *sys.argv[1:]])
        kept = run.status.checkpoint
        where = f" at step {kept.step}" if kept else ""
        screen.say(f"{run.name} is stopped{where}. The same command goes on: {again}")
        raise typer.Exit(INTERRUPTED)
    screen.write(screen.clean(f"{run.name} is Completed: {run.message}"))
    for name, value in run.metrics.items():
        if "_class_" not in name:
            screen.write(f"  {name:20} {value:.4f}")
    screen.write(screen.clean(f"results: {directory}"))
    if (report := directory / "report.html").exists():
        screen.write(screen.clean(f"report:  {report}"))


@contextmanager
def _stops() -> Iterator[list[int]]:
    """The signals to stop that came; one that is ignored, as SIGHUP by nohup, stays so."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    taken = [number for number in STOPS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in taken}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

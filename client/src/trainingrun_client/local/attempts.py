"""Begins and ends attempts, and notes their end. All but `end` is called by who holds the run's lock."""

import signal
import time
from datetime import UTC, datetime

from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_client.local import environment, processes, reading, status
from trainingrun_client.local.state import Files, State
from trainingrun_operator.observed import run_from

POLL_SECONDS = 0.1
KILL_MARGIN_SECONDS = 5.0
"""Beyond the grace period, after which a launcher that does not end is killed."""


def start(files: Files, state: State) -> None:
    """Begin the next attempt, where no process is left. The state is changed, not saved."""
    spec, known = spec_of(state), status_of(state)
    annotations = state.object["metadata"].get("annotations") or {}
    # Whoever trained in the directory before may have got further than this run's own attempts.
    attempt = max(known.attempt or 0, reading.latest_attempt(files.directory)) + 1
    ports = environment.free_ports()
    given = environment.environment(run_from(state.object), spec, attempt, files, ports)
    files.termination(attempt).unlink(missing_ok=True)
    state.process = processes.start(environment.command(files), given, files.log(attempt))
    state.metrics_port = ports[1]
    known = known.model_copy(update={"retried": annotations.get(names.RETRY_ANNOTATION)})
    many = spec.nodes * spec.local_world_size
    _put(state, status.started(known, attempt, files.directory, many, now()))


def stop(state: State) -> None:
    """Ask the attempt under way to end with a checkpoint. The state is changed, not saved."""
    known = status_of(state)
    assert state.process is not None
    _put(state, status.stopping(known, known.attempt or 0, "spec.suspend is true", now()))
    processes.send(state.process, signal.SIGTERM)


def observed(files: Files, state: State) -> State:
    """The state as it is now; the end of a process is noted by whoever looks first."""
    if state.process is None:
        return state
    spec, known, moment = spec_of(state), status_of(state), now()
    assert spec.training is not None
    attempt = known.attempt or 0
    by_files = reading.files(files.directory, spec.training, moment, attempt)
    if processes.alive(state.process):
        told = reading.page(state.metrics_port, moment, attempt) or by_files
        shown = State(state.object, state.process, state.metrics_port)
        _put(shown, status.living(known, told))
        return shown
    message, tail = reading.last_words(files, attempt), reading.tail(files, attempt)
    ended = status.Ended(attempt, moment, message, tail, files.log(attempt), by_files)
    _put(state, status.over(known, ended, suspend=spec.suspend))
    state.process = None
    files.save(state)
    return state


def end(files: Files, *, at_once: bool = False) -> None:
    """End the processes and wait for that: with a checkpoint, or at once without one."""
    state = files.load()
    if state is None or state.process is None:
        return
    if not at_once:
        processes.send(state.process, signal.SIGTERM)
        last = time.monotonic() + spec_of(state).pod.termination_grace_period_seconds + KILL_MARGIN_SECONDS
        while processes.alive(state.process) and time.monotonic() < last:
            time.sleep(POLL_SECONDS)
    processes.send(state.process, signal.SIGKILL)
    while processes.alive(state.process):
        time.sleep(POLL_SECONDS)


def spec_of(state: State) -> TrainingRunSpec:
    """With all defaults."""
    return TrainingRunSpec.model_validate(state.object["spec"])


def status_of(state: State) -> TrainingRunStatus:
    """As it was last noted."""
    return TrainingRunStatus.model_validate(state.object["status"])


def now() -> datetime:
    """In UTC."""
    return datetime.now(UTC)


def _put(state: State, changed: TrainingRunStatus) -> None:
    state.object = {**state.object, "status": changed.to_wire()}

"""torchrun around `trainingrun-train`, and what its end means.

torchrun itself exits 1 whatever its workers exit with. Here the first failure decides the exit code and the
termination message, so that the operator learns the cause and not its echo in another rank. The workers are
forks of this process, so it imports all that they need.
"""

import gc
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.run import parse_args
from torch.distributed.run import run as torchrun

from trainingrun_api import names
from trainingrun_api.status import Checkpoint
from trainingrun_api.termination import NCCL_TIMEOUT, PEER_LOST, TerminationError, TerminationMessage
from trainingrun_trainer import __main__ as trainer
from trainingrun_trainer import config, logs, termination
from trainingrun_trainer.arguments import parser
from trainingrun_trainer.errors import NCCL_TIMEOUT_ADVICE, TrainerError, describe
from trainingrun_trainer.forked_rank import fork_ranks
from trainingrun_trainer.heartbeat import Beat, Heartbeats
from trainingrun_trainer.launch import SIGNAL_EXIT_BASE
from trainingrun_trainer.tasks import task

WATCHDOG_SECONDS = 300.0
"""A rank that aborts after so long without a movement was ended by NCCL's watchdog, which leaves no error
file. Its own limit is 10 minutes or more."""


def run(arguments: Sequence[str], heartbeats: Heartbeats) -> None:
    """Run the workers to their end, and leave with the exit code of the first that failed."""
    logs.configure(None, os.environ)
    _import_task(arguments)
    fork_ranks(partial(trainer.main, arguments))
    # What was imported stays. A collection need not look at it, nor have a fork copy its pages to mark them.
    gc.freeze()
    gc.enable()
    # torchrun's own lines repeat what the first failure says
    logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)
    # where torchrun has the ranks leave their error files
    errors = Path(tempfile.mkdtemp(prefix="trainingrun-errors-"))
    options = ["--log-dir", str(errors), "--module", trainer.__name__, *arguments]
    try:
        torchrun(parse_args(options))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        code, message = explain(error.failures, heartbeats.read(), time.time())
        if message.outcome == "interrupted":  # all stopped at the same step, and rank 0 knows most of it
            message = completed(first_interrupted(errors) or message, heartbeats.read())
        termination.write(message, os.environ)
        sys.exit(code)
    except DistError as error:  # the pods did not find each other
        termination.write(TerminationMessage(outcome="failed", error=describe(error)), os.environ)
        raise
    except SignalException as error:
        message = first_interrupted(errors) or termination.stopped(error.sigval)
        termination.write(completed(message, heartbeats.read()), os.environ)
        sys.exit(names.EXIT_INTERRUPTED)
    finally:
        shutil.rmtree(errors, ignore_errors=True)


def _import_task(arguments: Sequence[str]) -> None:
    options = parser().parse_args(arguments)
    with suppress(TrainerError):  # which the ranks will tell
        task(config.load(options.config, options.set).task)


def first_interrupted(errors: Path) -> TerminationMessage | None:
    """What the lowest rank of this pod reported that stopped on SIGTERM; None where none came so far."""
    messages = []
    for file in errors.rglob("error.json"):
        with suppress(json.JSONDecodeError):  # killed while it wrote
            report = termination.from_error_file(json.loads(file.read_text()))
            if report is not None and report.message.outcome == "interrupted":
                messages.append(report.message)
    return min(messages, key=lambda message: message.rank or 0, default=None)


def explain(
    failures: Mapping[int, ProcessFailure], beats: Sequence[Beat], now: float
) -> tuple[int, TerminationMessage]:
    """Exit code and message of the rank that failed first, out of the failed ones of this pod.

    torchrun stops the others after the first failure, so those that SIGTERM ended come late, and those that
    only lost their peers come last.

    Args:
        failures: by global rank.
        beats: the last movements of this pod's ranks.
        now: Unix time, shortly after the first failure.
    """

    reports = {
        rank: termination.from_error_file(failure.error_file_data) for rank, failure in failures.items()
    }

    def order(rank: int) -> tuple[int, float, int]:
        report, failure = reports[rank], failures[rank]
        if report is None:
            # whole seconds, so a rank that a signal ended comes before those that noticed within the second
            return int(failure.exitcode == -signal.SIGTERM), float(failure.timestamp), rank
        echo = report.message.error is not None and report.message.error.type == PEER_LOST
        return 2 * int(echo), report.seconds, rank

    rank = min(failures, key=order)
    report = reports[rank]
    if report is not None:
        return report.exit_code, completed(report.message, beats)
    message = unreported(failures[rank], _silence(rank, beats, now), rank)
    return _exit_code(failures[rank].exitcode), completed(message, beats)


def completed(message: TerminationMessage, beats: Sequence[Beat]) -> TerminationMessage:
    """The message with the steps that its rank, or the furthest of the pod, took and saved, where it lacks
    them."""
    steps = [beat.step for beat in beats if message.rank in (None, beat.rank)]
    saved = [beat.checkpoint for beat in beats if beat.checkpoint is not None]
    return message.model_copy(
        update={
            "global_step": max(steps, default=None) if message.global_step is None else message.global_step,
            "checkpoint": message.checkpoint or (Checkpoint(step=max(saved)) if saved else None),
        }
    )


def unreported(failure: ProcessFailure, silent_seconds: float, rank: int) -> TerminationMessage:
    """The message of a rank that left no error, by its exit code."""
    if failure.exitcode == -signal.SIGTERM:  # before it could tell its peers
        return termination.stopped(signal.SIGTERM, rank)
    if failure.exitcode == -signal.SIGABRT and silent_seconds >= WATCHDOG_SECONDS:
        error = TerminationError(
            type=NCCL_TIMEOUT,
            message=f"aborted after {silent_seconds:.0f} s without progress, as NCCL's watchdog does",
            advice=NCCL_TIMEOUT_ADVICE,
        )
    elif failure.exitcode < 0:
        return termination.killed(signal.Signals(-failure.exitcode), rank)
    else:
        error = TerminationError(
            type="ExitCode",
            message=f"exited with {failure.exitcode} and left no error",
            advice="Read the pod's log.",
        )
    return TerminationMessage(outcome="failed", rank=rank, error=error)


def _silence(rank: int, beats: Sequence[Beat], now: float) -> float:
    return now - max((beat.time for beat in beats if beat.rank == rank), default=now)


def _exit_code(exitcode: int) -> int:
    return SIGNAL_EXIT_BASE - exitcode if exitcode < 0 else exitcode

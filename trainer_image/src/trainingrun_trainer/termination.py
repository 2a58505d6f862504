"""The end of a process: the kubelet reads of it in the termination log, torchrun's agent in an error file."""

import json
import os
import signal
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainingrun_api import names
from trainingrun_api.termination import TerminationError, TerminationMessage
from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted, describe, exit_code

TORCHELASTIC_ERROR_FILE = "TORCHELASTIC_ERROR_FILE"
TERMINATION = "termination"
SIGNAL_ADVICE = {
    signal.SIGKILL: "Most likely memory ran out: raise resources.memory, or lower data.batchSize or "
    "data.numWorkers.",
    signal.SIGBUS: "Most likely shared memory ran out: raise resources.sharedMemory.",
}
SECONDS = "seconds"
EXIT_CODE = "exit_code"


@dataclass(frozen=True)
class Report:
    """What a rank that failed left to its launcher."""

    seconds: float
    """Unix time of the failure."""
    exit_code: int
    """That of the failure: the process may be killed while it leaves."""
    message: TerminationMessage


def termination_log(environment: Mapping[str, str]) -> Path | None:
    """Where the kubelet reads the message, or None outside of a pod."""
    if path := environment.get(names.ENV_TERMINATION_LOG):
        return Path(path)
    default = Path(names.TERMINATION_LOG)
    return default if default.is_file() and os.access(default, os.W_OK) else None


def write(message: TerminationMessage, environment: Mapping[str, str]) -> None:
    """Leave the message to the kubelet."""
    if path := termination_log(environment):
        path.write_bytes(message.encode())


def failure(error: BaseException, rank: int | None) -> TerminationMessage:
    """The message of a process that an error ended."""
    return TerminationMessage(
        outcome="interrupted" if isinstance(error, Interrupted) else "failed",
        rank=rank,
        error=describe(error),
    )


def stopped(number: signal.Signals | int, rank: int | None = None) -> TerminationMessage:
    """The message where a signal ended the pod, or one rank before it could tell its peers."""
    return failure(Interrupted(f"stopped by {signal.Signals(number).name}", STOPPED_ADVICE), rank)


def killed(number: signal.Signals, rank: int | None = None) -> TerminationMessage:
    """The message where a signal that cannot be heeded ended a rank, or all of the pod."""
    error = TerminationError(
        type=number.name, message=f"ended by {number.name}", advice=SIGNAL_ADVICE.get(number, "")
    )
    return TerminationMessage(outcome="failed", rank=rank, error=error)


def report_failure(error: BaseException, message: TerminationMessage, environment: Mapping[str, str]) -> None:
    """Leave an error to torchrun's agent where there is one, which picks the first of all ranks, else to the
    kubelet.

    The error file has torchrun's own form (torch.distributed.elastic.multiprocessing.errors.ErrorHandler)
    and, in extraInfo, what the launcher needs to write the termination message.
    """
    path = environment.get(TORCHELASTIC_ERROR_FILE)
    if path is None:
        write(message, environment)
        return
    now = time.time()
    content = {
        "message": {
            "message": f"{type(error).__name__}: {error}",
            "extraInfo": {
                "py_callstack": "".join(traceback.format_exception(error)),
                "timestamp": str(int(now)),
                SECONDS: now,
                EXIT_CODE: exit_code(error),
                TERMINATION: message.to_wire(),
            },
        }
    }
    Path(path).write_text(json.dumps(content))


def from_error_file(content: Mapping[str, Any]) -> Report | None:
    """What a rank reported in its error file; None where it left none."""
    match content:
        case {
            "message": {
                "extraInfo": {
                    "seconds": float() as seconds,
                    "exit_code": int() as code,
                    "termination": dict() as message,
                }
            }
        }:
            return Report(seconds, code, TerminationMessage.model_validate(message))
        case _:
            return None

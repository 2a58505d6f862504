"""Errors that end a training run, each with an exit code and advice for the run's status.

The pod's main process needs it before it imports torch, so torch's own errors are looked up on use.
"""

import errno

from trainingrun_api import names
from trainingrun_api.termination import NCCL_TIMEOUT, PEER_LOST, TerminationError

EXIT_CRASH = 1


class TrainerError(Exception):
    """An error whose text is written for the user: what is wrong, where, and what to do."""

    exit_code = EXIT_CRASH

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.message, self.advice)


class BadConfig(TrainerError):  # noqa: N818 - the word of the run's reason
    """The config cannot be carried out; a new attempt would fail alike."""

    exit_code = names.EXIT_BAD_CONFIG


class BadData(TrainerError):  # noqa: N818 - the word of the run's reason
    """The data cannot be trained on; a new attempt would fail alike."""

    exit_code = names.EXIT_BAD_DATA


class ScratchFull(TrainerError):  # noqa: N818 - the word of the run's reason
    """The pod's scratch volume cannot hold the unpacked data."""


class Interrupted(TrainerError):  # noqa: N818 - the word of the run's reason
    """Stopped by SIGTERM."""

    exit_code = names.EXIT_INTERRUPTED


class Fenced(Interrupted):
    """A later attempt has begun: this one may write nothing any more."""


class Diverged(TrainerError):  # noqa: N818 - the word of the run's reason
    """The monitored metric is not a finite number."""


STOPPED_ADVICE = "The pod was stopped from outside. The next attempt goes on from the newest checkpoint."
NCCL_TIMEOUT_ADVICE = "Look at what the other ranks did last, and at the network between the nodes."

_TIMEOUT_SIGNS = ("collective operation timeout", "Timed out waiting", "Application timeout")
"""What NCCL's watchdog and gloo say where a collective hangs; the pairs of a hung gloo rank are closed with
the last one."""
_PEER_LOST_SIGNS = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport")


def exit_code(error: BaseException) -> int:
    """What the process that ended with this error exits with."""
    if isinstance(error, TrainerError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return names.EXIT_INTERRUPTED
    return EXIT_CRASH


def describe(error: BaseException) -> TerminationError:
    """The error in the words of the termination message."""
    if isinstance(error, TrainerError):
        return TerminationError(type=type(error).__name__, message=error.message, advice=error.advice)
    if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _TIMEOUT_SIGNS):
        return TerminationError(
            type=NCCL_TIMEOUT,
            message=f"a collective of all ranks timed out: {_last_line(error)}",
            advice=NCCL_TIMEOUT_ADVICE,
        )
    if _is_peer_lost(error):
        return TerminationError(
            type=PEER_LOST,
            message=f"lost the connection to another rank: {_last_line(error)}",
            advice="Look for the rank that failed first; this one only noticed.",
        )
    return TerminationError(
        type=type(error).__name__, message=_last_line(error) or type(error).__name__, advice=_advice(error)
    )


def _is_peer_lost(error: BaseException) -> bool:
    from torch import distributed

    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _PEER_LOST_SIGNS)


def _advice(error: BaseException) -> str:
    from torch import OutOfMemoryError

    if isinstance(error, OutOfMemoryError):
        return "Lower data.batchSize or data.imageSize, or set precision to bf16-mixed."
    if isinstance(error, MemoryError):
        return "Raise resources.memory, or lower data.batchSize or data.numWorkers."
    if isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker"):
        return "Raise resources.memory or resources.sharedMemory, or lower data.numWorkers or data.batchSize."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The volume is full: use a larger checkpoints.size, or free space on the claim."
    return ""


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else ""

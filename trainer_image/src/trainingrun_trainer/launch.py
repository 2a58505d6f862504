"""`trainingrun-launch`: the main process of a training pod. torchrun in-process around `trainingrun-train`.

torchrun itself exits 1 whatever its workers exit with. Here the first failure decides the exit code and the
termination message, so that the operator learns the cause and not its echo in another rank.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from torch.distributed import DistError
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.run import parse_args
from torch.distributed.run import run as torchrun

from trainingrun_api import names
from trainingrun_api.termination import PEER_LOST, TerminationError, TerminationMessage
from trainingrun_trainer import arguments, termination
from trainingrun_trainer.accelerator import THREADS_VARIABLE, cpu_limit, threads
from trainingrun_trainer.errors import STOPPED_ADVICE, describe

PROCESSES_VARIABLE = "PET_NPROC_PER_NODE"
SIGNAL_EXIT_BASE = 128
"""A process that signal n ends has the exit code 128 + n in a shell and in a pod's status."""
SIGNAL_ADVICE = {
    signal.SIGKILL: "Most likely memory ran out: raise resources.memory, or lower data.batchSize or "
    "data.numWorkers.",
    signal.SIGBUS: "Most likely shared memory ran out: raise resources.sharedMemory.",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the workers of this pod, and leave with the exit code of the first that failed."""
    passed_on = list(sys.argv[1:] if argv is None else argv)
    arguments.parser().parse_args(passed_on)
    # torchrun's own lines repeat what the first failure says
    logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)
    processes = int(os.environ.get(PROCESSES_VARIABLE, "1"))
    os.environ.setdefault(THREADS_VARIABLE, str(threads(cpu_limit(), processes)))
    try:
        torchrun(parse_args(["--module", "trainingrun_trainer", *passed_on]))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        code, message = explain(error.failures)
        termination.write(message, os.environ)
        sys.exit(code)
    except DistError as error:  # the pods did not find each other
        termination.write(TerminationMessage(outcome="failed", error=describe(error)), os.environ)
        raise
    except SignalException as error:
        termination.write(
            TerminationMessage(
                outcome="interrupted",
                error=TerminationError(
                    type="Interrupted",
                    message=f"stopped by {signal.Signals(error.sigval).name}",
                    advice=STOPPED_ADVICE,
                ),
            ),
            os.environ,
        )
        sys.exit(names.EXIT_INTERRUPTED)


def explain(failures: Mapping[int, ProcessFailure]) -> tuple[int, TerminationMessage]:
    """Exit code and message of the rank that failed first, out of the failed ones of this pod.

    Ranks that only lost their peers come last. A rank that a signal ended left no error file and comes first:
    it had no time to notice anybody else's end.
    """

    def order(rank: int) -> tuple[bool, float, int]:
        failure = failures[rank]
        reported = termination.from_error_file(failure.error_file_data)
        if reported is None:
            return False, 0.0 if failure.exitcode < 0 else float(failure.timestamp), rank
        seconds, message = reported
        return message.error is not None and message.error.type == PEER_LOST, seconds, rank

    rank = min(failures, key=order)
    failure = failures[rank]
    reported = termination.from_error_file(failure.error_file_data)
    if reported is not None:
        return failure.exitcode, reported[1]
    return _exit_code(failure.exitcode), TerminationMessage(
        outcome="failed", rank=rank, error=_unreported(failure)
    )


def _exit_code(exitcode: int) -> int:
    return SIGNAL_EXIT_BASE - exitcode if exitcode < 0 else exitcode


def _unreported(failure: ProcessFailure) -> TerminationError:
    if failure.exitcode < 0:
        number = signal.Signals(-failure.exitcode)
        return TerminationError(
            type=number.name, message=f"ended by {number.name}", advice=SIGNAL_ADVICE.get(number, "")
        )
    return TerminationError(
        type="ExitCode",
        message=f"exited with {failure.exitcode} and left no error",
        advice="Read the pod's log.",
    )


if __name__ == "__main__":
    main()

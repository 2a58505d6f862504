"""`kubectl-trainingrun`, which kubectl finds as `kubectl trainingrun`.

Exit codes: 0 done, 1 an error or a Failed run, 2 wrong usage, 3 no such run, 4 a file or a field is wrong,
124 a time-out, 130 Ctrl-C.
"""

import errno
import os
import sys

from trainingrun_client.cli import screen
from trainingrun_client.cli.app import app
from trainingrun_client.errors import (
    InputError,
    InvalidError,
    NotFoundError,
    RunDeletedError,
    TrainingRunError,
    WaitTimeoutError,
)

STANDARD_OUTPUT = 1
FAILED, NOT_FOUND, WRONG_INPUT, TIMED_OUT = 1, 3, 4, 124
EXIT_CODES: dict[type[TrainingRunError], int] = {
    NotFoundError: NOT_FOUND,
    RunDeletedError: NOT_FOUND,
    InputError: WRONG_INPUT,
    InvalidError: WRONG_INPUT,
    WaitTimeoutError: TIMED_OUT,
}


def main() -> None:
    """Run a verb; errors are one line on standard error, without a trace."""
    # The shell completes the program by its own name, people know it by kubectl's.
    completing = any("-completion" in word for word in sys.argv) or any(
        "_COMPLETE" in key for key in os.environ
    )
    code = FAILED
    try:
        try:
            app(prog_name=None if completing else "kubectl trainingrun")
        finally:
            sys.stdout.flush()
    except TrainingRunError as error:
        screen.say(f"error: {error}")
        code = next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), FAILED)
    except OSError as error:  # of the stream: its reader has left, or its disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), STANDARD_OUTPUT)
        if error.errno != errno.EPIPE:
            screen.say(f"error: the answer cannot be written: {error.strerror}")
    sys.exit(code)


if __name__ == "__main__":
    main()

"""`kubectl-trainingrun`, which kubectl finds as `kubectl trainingrun`.

Exit codes: 0 done, 1 an error or a Failed run, 2 wrong usage, 3 no such run, 4 a file or a field is wrong,
124 a time-out, 130 Ctrl-C.
"""

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

FAILED, NOT_FOUND, WRONG_INPUT, TIMED_OUT, INTERRUPTED = 1, 3, 4, 124, 130
EXIT_CODES: dict[type[TrainingRunError], int] = {
    NotFoundError: NOT_FOUND,
    RunDeletedError: NOT_FOUND,
    InputError: WRONG_INPUT,
    InvalidError: WRONG_INPUT,
    WaitTimeoutError: TIMED_OUT,
}


def main() -> None:
    """Run a verb; errors are one line on standard error, without a trace."""
    try:
        code = app(standalone_mode=True)
    except TrainingRunError as error:
        screen.say(f"error: {error}")
        code = next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:  # the reader has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code)


if __name__ == "__main__":
    main()

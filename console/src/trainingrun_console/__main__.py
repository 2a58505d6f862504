"""`trainingrun-console`: serves the history and the page, or fills a history anew.

Exit codes: 0 after SIGTERM, 1 an error, 2 wrong usage, 130 Ctrl-C.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from trainingrun_client.errors import TrainingRunError
from trainingrun_console import options
from trainingrun_console.history.errors import HistoryError

FAILED, INTERRUPTED = 1, 130
LAST_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; errors are one line on standard error, without a trace."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    given = options.parse(sys.argv[1:] if arguments is None else arguments, os.environ)
    try:
        if given.verb == "refill":
            from trainingrun_console.refilling import refill

            return FAILED if refill(given) else 0
        from trainingrun_console.serving import serve  # after --help and wrong usage, for it takes a second

        serve(given)
    except (TrainingRunError, HistoryError, OSError) as error:
        print(f"trainingrun-console: {error}", file=sys.stderr)
        return FAILED
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """uvicorn ends in its own way first, and then calls this."""
    code = INTERRUPTED if number == signal.SIGINT else 0
    # Python waits for all threads, and one may wait for an API server that does not answer.
    last = threading.Timer(LAST_SECONDS, os._exit, (code,))
    last.daemon = True
    last.start()
    raise SystemExit(code)


if __name__ == "__main__":
    sys.exit(main())

"""`trainingrun-launch`: the main process of a training pod.

It is ready for SIGTERM and answers for its ranks' heartbeats before it imports what takes seconds: as process
1 of a container it has no default action for a signal, so one that came too early would be lost, and with it
the grace period.
"""

import os
import signal
import sys
from collections.abc import Sequence
from threading import Thread
from types import FrameType

PROCESSES_VARIABLE = "PET_NPROC_PER_NODE"
NODE_RANK_VARIABLE = "PET_NODE_RANK"
SIGNAL_EXIT_BASE = 128
"""A process that signal n ends has the exit code 128 + n in a shell and in a pod's status."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the workers of this pod, and leave with the exit code of the first that failed."""
    signal.signal(signal.SIGTERM, _leave)
    from trainingrun_api import names
    from trainingrun_trainer import arguments, heartbeat, heartbeat_page

    _stop_on_sigterm()
    passed_on = list(sys.argv[1:] if argv is None else argv)
    arguments.parser().parse_args(passed_on)
    processes = int(os.environ.get(PROCESSES_VARIABLE, "1"))
    first = int(os.environ.get(NODE_RANK_VARIABLE, "0")) * processes
    heartbeats = heartbeat.Heartbeats(range(first, first + processes))
    os.environ[heartbeat.FILE_VARIABLE] = heartbeats.path
    if port := int(os.environ.get(names.ENV_HEARTBEATS_PORT, "0")):
        heartbeat_page.serve(heartbeats, port)

    from trainingrun_trainer import agent

    agent.run(passed_on, processes, heartbeats)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(SIGNAL_EXIT_BASE + number)


def _stop_on_sigterm() -> None:
    """Leave with a message on SIGTERM, until torchrun has started the workers and takes the signal over.

    A thread does it: Python's own handlers wait for the main thread, and that waits in torch for other pods,
    for as long as a day.
    """
    from trainingrun_trainer import termination

    def wait_for_watch(number: int, frame: FrameType | None) -> None:
        """Its presence says that torchrun has not taken over."""

    def watch(descriptor: int) -> None:
        while number := os.read(descriptor, 1)[0]:
            if number == signal.SIGTERM and signal.getsignal(number) is wait_for_watch:
                termination.write(termination.stopped(number), os.environ)
                _leave(number, None)

    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    Thread(target=watch, args=(readable,), name="sigterm", daemon=True).start()
    signal.signal(signal.SIGTERM, wait_for_watch)


if __name__ == "__main__":
    main()

"""`trainingrun-launch`: the main process of a training pod.

It answers for its ranks' heartbeats, passes signals on to torchrun's agent, and says how that ended. The
agent (agent.py) is a process of its own: it imports for seconds and may wait in torch for other pods for a
day, and as process 1 of a container it would have no default action for a signal that comes meanwhile. So
that signal would be lost, and the grace period with it.
"""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from types import FrameType
from typing import NoReturn

PROCESSES_VARIABLE = "PET_NPROC_PER_NODE"
NODE_RANK_VARIABLE = "PET_NODE_RANK"
SIGNAL_EXIT_BASE = 128
"""A process that signal n ends has the exit code 128 + n in a shell and in a pod's status."""
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of <linux/prctl.h>."""
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that torchrun hands to its ranks."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the workers of this pod, and leave with the exit code of the first that failed."""
    signal.signal(signal.SIGTERM, _leave)
    from trainingrun_api import names
    from trainingrun_trainer import accelerator, arguments, heartbeat, heartbeat_page

    passed_on = list(sys.argv[1:] if argv is None else argv)
    arguments.parser().parse_args(passed_on)
    processes = int(os.environ.get(PROCESSES_VARIABLE, "1"))
    # torch reads it as it is imported
    threads = accelerator.threads(accelerator.cpu_limit(), processes)
    os.environ.setdefault(accelerator.THREADS_VARIABLE, str(threads))
    first = int(os.environ.get(NODE_RANK_VARIABLE, "0")) * processes
    heartbeats = heartbeat.Heartbeats(range(first, first + processes))
    os.environ[heartbeat.FILE_VARIABLE] = heartbeats.path

    def be_agent() -> None:
        end_with_parent(main_process)
        os.setsid()  # Ctrl-C in a terminal reaches it once, from here
        _take(signal.SIG_DFL)
        gc.disable()  # a sixth of the time of its imports, which leave no garbage
        from trainingrun_trainer import agent

        agent.run(passed_on, heartbeats)

    def pass_on(number: int, frame: FrameType | None) -> None:
        if process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    # Forked before there are threads. Meanwhile signals wait.
    main_process = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    process = get_context("fork").Process(target=be_agent, name="agent")
    process.start()
    _take(pass_on)
    if port := int(os.environ.get(names.ENV_HEARTBEATS_PORT, "0")):
        heartbeat_page.serve(heartbeats, port)
    process.join()
    _end(process.exitcode or 0)


def process_name(rank: object) -> str:
    """What `ps -o comm` shows of the process of a rank."""
    return f"rank-{rank}"


def end_with_parent(parent: int) -> None:
    """Have Linux kill this process when its parent ends in whatever way (prctl(2), PR_SET_PDEATHSIG).

    In a pod the container ends with its main process; elsewhere ranks would train on as orphans.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended meanwhile
            os.kill(os.getpid(), signal.SIGKILL)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(SIGNAL_EXIT_BASE + number)


def _take(handler: "signal._HANDLER") -> None:
    """Handle signals from now on, and those that wait."""
    for number in STOPS:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _end(exitcode: int) -> NoReturn:
    """Leave as the agent did. One that a signal ended has left no message."""
    from trainingrun_api.names import EXIT_INTERRUPTED
    from trainingrun_trainer import termination

    if exitcode >= 0:
        sys.exit(exitcode)
    number = signal.Signals(-exitcode)
    if number in STOPS:  # before it had ranks to stop
        termination.write(termination.stopped(number), os.environ)
        sys.exit(EXIT_INTERRUPTED)
    termination.write(termination.killed(number), os.environ)
    sys.exit(SIGNAL_EXIT_BASE + number)


if __name__ == "__main__":
    main()

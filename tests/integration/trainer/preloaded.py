"""Processes that start at once: forked off one that has imported what takes the trainer seconds.

It is started once (`_preloaded`), does nothing but fork, and ends with the last of these tests (conftest.py).
So what it forks is as a new process whose imports are done, with a process id, signals and an exit code of
its own. (multiprocessing's fork server is one for all tests, and has other modules in it.)
"""

import multiprocessing
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIGTERM
from typing import Any, NoReturn

IMPORTED = (
    "trainingrun_trainer.__main__",
    "trainingrun_trainer.agent",
    "trainingrun_trainer.data.volumes",
    "trainingrun_trainer.models.segmenter",
    "trainingrun_trainer.report.plots",
    "trainingrun_trainer.tasks.classification",
    "trainingrun_trainer.tasks.instance_segmentation",
    "trainingrun_trainer.tasks.object_detection",
    "trainingrun_trainer.tasks.semantic_segmentation",
    "monai.inferers.utils",
    "monai.networks.nets.unet",
    "tensorboard.compat.proto.event_pb2",
    "tensorboard.summary.writer.record_writer",
    "timm",
)
READ_AT_IMPORT = {
    "OMP_NUM_THREADS": "1",
    # each attempt makes its code anew, as in a new pod; the same code is not translated again
    "TORCHINDUCTOR_FX_GRAPH_CACHE": "0",
}


class Forked:
    """A process that does some work; that part of subprocess.Popen which the tests use."""

    def __init__(
        self,
        work: Callable[..., object],
        *arguments: Any,
        environment: Mapping[str, str],
        output: Path,
    ) -> None:
        """Start it, as the leader of a session of its own.

        Args:
            work: what can be pickled by its name. The process exits 0 after it, or as its SystemExit says.
            arguments: of the work.
            environment: all of it.
            output: the file that takes what it prints.
        """
        self._output = output
        self.pid: int = _preloaded().ask((work, arguments, dict(environment), output))
        self.returncode: int | Any = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _preloaded().ask(self.pid)
        return self.returncode

    def terminate(self) -> None:
        os.kill(self.pid, SIGTERM)

    def communicate(self, timeout: float) -> tuple[str, None]:
        """Wait for its end; what it printed.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        if self.poll() is None:
            descriptor = os.pidfd_open(self.pid)
            try:
                select.select([descriptor], [], [], timeout)
            finally:
                os.close(descriptor)
        if self.poll() is None:
            raise subprocess.TimeoutExpired([str(self._output)], timeout)
        return self._output.read_text(), None


def call_main(module: str, *arguments: str) -> None:
    """Work of a process that is one of the trainer's programs."""
    import_module(module).main(arguments)


class _Preloaded:
    """The process that forks, as the tests see it."""

    def __init__(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **READ_AT_IMPORT},
                start_new_session=True,
            )

    def ask(self, request: Any) -> Any:
        self._connection.send(request)
        return self._connection.recv()

    def end(self) -> None:
        self._connection.close()
        self._process.wait()


@cache
def _preloaded() -> _Preloaded:
    return _Preloaded()


def end() -> None:
    """End the process that forks, where it was started."""
    if _preloaded.cache_info().currsize:
        _preloaded().end()
        _preloaded.cache_clear()


def _answer(connection: Connection) -> None:
    """Fork, or tell the exit code of one that was forked, None before its end, until nobody asks any more."""
    while True:
        match connection.recv():
            case int() as asked_for:
                pid, status = os.waitpid(asked_for, os.WNOHANG)
                connection.send(os.waitstatus_to_exitcode(status) if pid else None)
            case work, arguments, environment, output:
                pid = os.fork()
                if pid == 0:
                    connection.close()
                    _become(work, arguments, environment, output)
                connection.send(pid)


def _become(
    work: Callable[..., object], arguments: tuple[Any, ...], environment: dict[str, str], output: Path
) -> NoReturn:
    code = 1
    try:
        os.setsid()
        os.environ.clear()
        os.environ.update(environment)
        with output.open("ab") as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
        work(*arguments)
        code = 0
    except SystemExit as request:
        code = int(request.code or 0)
    except BaseException:  # noqa: BLE001 - reported, then the process ends
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    for module in IMPORTED:
        import_module(module)
    with suppress(EOFError):
        _answer(Connection(int(sys.argv[1])))

"""The operator as a process of its own that can be killed, and that starts in a moment.

Importing it costs a second of CPU, which tests that start it a hundred times cannot spend: processes are
forked from a server that has imported everything once.
"""

import multiprocessing
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from kubernetes.config import kube_config

from tests.helpers.ports import free_port
from trainingrun_operator.__main__ import main
from trainingrun_operator.settings import PREFIX

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", __name__])


@dataclass
class Operator:
    """A process, or one after the other."""

    environ: dict[str, str]
    log: Path
    metrics_port: int
    health_port: int
    starts: int = 0
    _process: ForkServerProcess | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def start(self) -> None:
        with self._lock:
            self._start()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """Ends the process; its exit status, as `subprocess` gives it."""
        with self._lock:
            os.kill(self.pid, how)
            assert self._process is not None
            return self._wait(self._process)

    def wait(self) -> int:
        """The exit status of a process that ends by itself."""
        with self._lock:
            assert self._process is not None
            return self._wait(self._process)

    def keep_alive(self) -> None:
        """Starts it where it is dead, and anew where its liveness probe fails, as Kubernetes would do."""
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._start()
            elif self.healthy() is False:
                self._process.kill()
                self._wait(self._process)
                self._start()

    def end(self) -> None:
        """Ends it where it lives."""
        with self._lock:
            if self._process and self._process.is_alive():
                self._process.terminate()
                os.kill(self.pid, signal.SIGCONT)  # where it was stopped
                self._wait(self._process)

    def _start(self) -> None:
        self._process = _FORKS.Process(target=_operate, args=(self.environ, self.log), daemon=True)
        self._process.start()
        self.starts += 1

    def healthy(self) -> bool | None:
        """What the probe says; None where it is not served yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/healthz", timeout=10):
                return True
        except urllib.error.HTTPError:
            return False
        except OSError:
            return None

    def _wait(self, process: ForkServerProcess) -> int:
        process.join(30)
        assert process.exitcode is not None, "still alive after 30 s"
        return process.exitcode


def operator_for(
    namespace: str, kubeconfig: Path, log: Path, resync_seconds: int = 5, lease: str = ""
) -> Operator:
    """An operator for one namespace, not yet started."""
    metrics_port, health_port = free_port(), free_port()
    settings = {
        "TRAINER_IMAGE": "example/trainer:1",
        "NAMESPACES": namespace,
        "LEASE": lease,
        "METRICS_PORT": str(metrics_port),
        "HEALTH_PORT": str(health_port),
        "LOG_FORMAT": "text",
        "LOG_LEVEL": "DEBUG",
        "PROGRESS_SECONDS": "2",
        "RESYNC_SECONDS": str(resync_seconds),
    }
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    environ |= {PREFIX + name: value for name, value in settings.items()}
    log.touch()
    return Operator(environ, log, metrics_port, health_port)


def _operate(environ: dict[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environ)
    with log.open("a") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    # The client reads KUBECONFIG when it is imported, and that was in the server.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environ["KUBECONFIG"]
    sys.exit(main())

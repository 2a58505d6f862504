"""A PostgreSQL of a test's own: Debian's programs, a directory, and a port of this machine."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.integration.trainer.ports import free_port

PROGRAMS = Path("/usr/lib/postgresql")
"""Where Debian keeps them, by version; they are not on the PATH."""
NOBODY = 65534
"""A user to be where the tests run as root: as root PostgreSQL refuses to start."""


def program(name: str) -> str:
    """The newest version of a program of the server; without any, the test is skipped."""
    found = [str(path) for path in PROGRAMS.glob(f"*/bin/{name}")]
    if path := max(found, default=shutil.which(name), key=_version):
        return path
    pytest.skip(f"no {name}: install the package postgresql")


def _version(path: str) -> int:
    return int(Path(path).parts[-3])


@dataclass
class Postgres:
    """A server that can be stopped and started again."""

    directory: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """As it would stand in a Secret."""
        return f"postgresql://trainer:secret@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the empty cluster of databases."""
        if os.geteuid() == 0:
            os.chown(self.directory, NOBODY, NOBODY)
        password = self.directory / "password"
        password.write_text("secret\n")
        password.chmod(0o644)
        self._call(
            "initdb", "--auth=scram-sha-256", "--username=trainer", f"--pwfile={password}", "--no-sync"
        )

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._call("pg_ctl", "start", "--wait", f"--options={options}", f"--log={self.directory / 'log'}")

    def stop(self) -> None:
        """Stop it: connections are refused."""
        self._call("pg_ctl", "stop", "--wait", "--mode=immediate")

    def pause(self) -> None:
        """It takes connections but never answers."""
        os.kill(self._pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        os.kill(self._pid, signal.SIGCONT)

    @property
    def running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    @property
    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _call(self, name: str, *arguments: str) -> None:
        user = NOBODY if os.geteuid() == 0 else None
        command = [program(name), f"--pgdata={self._data}", *arguments]
        log = self.directory / "calls"
        with log.open("ab") as output:  # no pipe: the server would hold its end open
            subprocess.run(
                command, check=True, stdout=output, stderr=output, cwd=self.directory, user=user, group=user
            )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server, which is gone afterwards."""
    # not below pytest's directories: they are closed to other users
    with TemporaryDirectory(prefix="trainingrun-postgres-") as directory:
        server = Postgres(Path(directory))
        server.create()
        server.start()
        try:
            yield server
        finally:
            if server.running:
                server.stop()

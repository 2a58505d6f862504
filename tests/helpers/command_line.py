"""`kubectl trainingrun` as a person or a script calls it, in one namespace of a cluster."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.terminal import Terminal

PROGRAM = Path(sys.executable).with_name("kubectl-trainingrun")


@dataclass(frozen=True)
class CommandLine:
    """The program with a kubeconfig and a namespace."""

    kubeconfig: Path
    namespace: str
    home: Path
    """Of a person who has no settings of their own."""

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of this process's own kubeconfig."""
        kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "NO_COLOR")}
        return {**kept, "HOME": str(self.home), "TERM": "xterm-256color", **more}

    def words(self, *arguments: str | Path) -> list[str]:
        """The whole command line."""
        where = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return [str(PROGRAM), *map(str, arguments), *where]

    def run(
        self, *arguments: str | Path, input: str | None = None, code: int = 0, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """In a pipe, to its end; the exit code must be `code`."""
        done = subprocess.run(
            self.words(*arguments),
            input=input,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def teach(self, *words: str) -> subprocess.CompletedProcess[str]:
        """As given, without a cluster."""
        return subprocess.run(
            [PROGRAM, *words], env=self.environment(), capture_output=True, text=True, check=False
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """In a pipe; the caller ends it."""
        return subprocess.Popen(
            self.words(*arguments),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def terminal(
        self,
        *arguments: str | Path,
        columns: int = 100,
        lines: int = 40,
        environment: Mapping[str, str] | None = None,
    ) -> Terminal:
        """In a pseudo-terminal."""
        whole = self.environment(**(environment or {}))
        return Terminal(self.words(*arguments), whole, columns=columns, lines=lines)

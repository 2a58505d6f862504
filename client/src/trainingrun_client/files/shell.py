"""The helper pod's shell: commands of `commands.py` with their items, as often as the connection needs it."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

from trainingrun_client.errors import ForbiddenError, NotFoundError, TransferError, UnreachableError
from trainingrun_client.files.commands import FRAME, MOUNT, Command
from trainingrun_client.files.executing import CHUNK, PodExec, nowhere
from trainingrun_client.files.paths import inner_path

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""Seconds before each new try after a lost connection; beyond the last one, the transfer is given up."""
PERMISSIONS = (
    "files of volumes go through a pod, which takes the permissions to create, get and delete pods, and to "
    "create and get pods/exec"
)


@dataclass(slots=True)
class Patience:
    """How long lost connections are borne: each success begins anew."""

    say: Callable[[str], object]
    failures: int = 0

    def bear(self, error: UnreachableError) -> None:
        """Waits for the next try. Raises TransferError where there were too many."""
        if self.failures == len(PAUSES):
            raise TransferError(
                f"given up after {self.failures} tries: {error}. "
                "What arrived is kept: the same command goes on"
            ) from error
        delay = PAUSES[self.failures]
        self.failures += 1
        if self.failures > 1:
            self.say(f"{error}; next try in {delay:g} s")
        time.sleep(delay)

    def success(self) -> None:
        """The connection works."""
        self.failures = 0


class Shell:
    """In one directory of the volume."""

    def __init__(self, execute: PodExec, directory: str, say: Callable[[str], object]) -> None:
        """`directory` lies below the claim; `.` is the claim itself."""
        self.patience = Patience(say)
        self._execute, self._say = execute, say
        self._place = str(PurePosixPath(MOUNT) / directory)

    def ask(self, command: Command, items: Sequence[str]) -> bytes:
        """The whole answer of a command that may be repeated; nothing without items.

        Raises ForbiddenError and TransferError.
        """
        while items:
            answer = bytearray()
            try:
                if words := self.run(command, items, sink=answer.extend):
                    self._say(words)
                self.patience.success()
                return bytes(answer)
            except UnreachableError as error:
                self.patience.bear(error)
        return b""

    def run(
        self,
        command: Command,
        items: Iterable[str],
        stdin: Iterable[bytes] = (),
        sink: Callable[[bytes], object] = nowhere,
    ) -> str:
        """Once. Returns what it says on standard error.

        Raises as `ask` does, and UnreachableError.
        """
        header = b"".join(item.encode(errors="surrogateescape") + b"\0" for item in items)
        line = ("sh", "-c", FRAME, "sh", self._place, str(len(header)), command.script, str(command.items))
        chunks = (header[at : at + CHUNK] for at in range(0, len(header), CHUNK))
        try:
            return self._execute(line, chain(chunks, stdin), sink)
        except ForbiddenError as error:
            raise ForbiddenError(error.status, f"{error}; {PERMISSIONS}", error.causes) from error
        except NotFoundError as error:
            raise TransferError(f"the helper pod is gone: {error}. The same command goes on") from error


def item(path: str) -> str:
    """A path as commands take it: never an option.

    >>> item("-rf")
    './-rf'
    """
    return f"./{inner_path(path)}"

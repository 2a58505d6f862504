"""A person at a terminal: runs a program in a pseudo-terminal, and says what its screen shows."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
import pyte


class Terminal:
    """One program on a terminal of so many columns and lines."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        columns: int = 100,
        lines: int = 40,
    ) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._written = io.BytesIO()
        program, *arguments = map(str, command)
        self._child = pexpect.spawn(
            program, arguments, env=dict(environment), dimensions=(lines, columns), timeout=60
        )
        self._child.logfile_read = self._written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.close(force=True)

    def wait_for(self, pattern: str, seconds: float = 60) -> None:
        """Raises pexpect.TIMEOUT, or pexpect.EOF where the program ended without."""
        self._child.expect(pattern, timeout=seconds)

    def type(self, text: str) -> None:
        """A line, with Enter."""
        self._child.sendline(text)

    def press_ctrl_c(self) -> None:
        """As a person would."""
        self._child.sendintr()

    def end(self, seconds: float = 60) -> int:
        """The exit code, once the program has ended. Raises pexpect.TIMEOUT."""
        self._child.expect(pexpect.EOF, timeout=seconds)
        self._child.wait()
        return int(
            self._child.exitstatus if self._child.exitstatus is not None else -self._child.signalstatus
        )

    @property
    def written(self) -> str:
        """All that was written, control sequences included."""
        return self._written.getvalue().decode(errors="replace")

    def screen(self) -> list[str]:
        """The lines that it shows now, without trailing blanks."""
        self._screen.reset()
        self._stream.feed(self._written.getvalue())
        return [line.rstrip() for line in self._screen.display]

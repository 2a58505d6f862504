"""Follows a TrainingRun to its end and shows it as `kubectl get tr` does.

On a terminal the newest row is redrawn in place and each epoch leaves its row behind; elsewhere each changed
row is a line of its own.
"""

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

Object = dict[str, Any]

TERMINAL_PHASES = ("Completed", "Failed")
COLUMNS = {
    "NAME": 24, "PHASE": 11, "EPOCH": 8, "METRIC": 24, "PROGRESS": 10, "ETA": 8, "NODES": 7, "AGE": 8,
}  # fmt: skip
"""Headings and their widths in characters."""
POLL_SECONDS = 1.0
BAR_WIDTH = 20


class StuckError(Exception):
    """The run did not get on in time; the message says where it stands."""


def cells(run: Object, now: datetime) -> dict[str, str]:
    """A run's row, by heading."""
    status: Object = run.get("status", {})
    columns: Object = status.get("columns", {})
    return {
        "NAME": run["metadata"]["name"],
        "PHASE": status.get("phase", ""),
        "EPOCH": columns.get("epoch", ""),
        "METRIC": columns.get("metric", ""),
        "PROGRESS": columns.get("progress", ""),
        "ETA": columns.get("eta", ""),
        "NODES": status.get("nodesReady", ""),
        "AGE": duration((now - timestamp(run["metadata"]["creationTimestamp"])).total_seconds()),
    }


def line(row: dict[str, str], note: str = "") -> str:
    """A row in columns, and why the run waits or failed."""
    return ("".join(f"{row[heading]:<{width}}" for heading, width in COLUMNS.items()) + note).rstrip()


def why(run: Object) -> str:
    """Why a run is not training, in the operator's words; empty while it trains and once it is Completed."""
    status: Object = run.get("status", {})
    return str(status.get("message", "")) if status.get("phase") in ("Pending", "Failed") else ""


def bar(run: Object) -> str:
    """How far a run that trains is; empty where it does not say."""
    percent = run.get("status", {}).get("progress", {}).get("percent")
    if percent is None:
        return ""
    done = round(BAR_WIDTH * min(percent, 100) / 100)
    return f"[{'=' * done}{'.' * (BAR_WIDTH - done)}]"


def duration(seconds: float) -> str:
    """Whole seconds as kubectl prints an age, such as 2m10s."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def timestamp(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text)


class Display:
    """The table on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: dict[str, str] = {}
        """What the last row said, but for its age."""
        self._print(line({heading: heading for heading in COLUMNS}) + "\n")

    def show(self, run: Object, now: datetime) -> None:
        """Bring the table up to date."""
        row, note = cells(run, now), why(run)
        content = {**row, "AGE": "", "note": note}
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            kept = "\n" if self._shown and self._shown["EPOCH"] != content["EPOCH"] else ""
            self._print(f"{kept}\r\033[K{line(row, note or bar(run))[:width]}")
        elif content != self._shown:
            self._print(line(row, note) + "\n")
        self._shown = content

    def close(self) -> None:
        """Leave the last row where it is."""
        if self._stream.isatty():
            self._print("\n")

    def _print(self, text: str) -> None:
        print(text, end="", file=self._stream, flush=True)


def follow(read: Callable[[], Object], display: Display, *, pending_seconds: float, seconds: float) -> Object:
    """Show the run that `read` returns until it is Completed or Failed, and return it.

    Raises:
        StuckError: it was Pending for `pending_seconds`, or not at its end after `seconds`.
    """
    started = time.monotonic()
    try:
        while True:
            run = read()
            display.show(run, datetime.now(UTC))
            phase = run.get("status", {}).get("phase", "")
            if phase in TERMINAL_PHASES:
                return run
            waited = time.monotonic() - started
            if phase in ("", "Pending") and waited > pending_seconds:
                reason = why(run) or "the operator has not answered"
                raise StuckError(f"it still waits after {duration(waited)}: {reason}")
            if waited > seconds:
                raise StuckError(f"it has not ended after {duration(waited)}")
            time.sleep(POLL_SECONDS)
    finally:
        display.close()

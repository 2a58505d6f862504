"""What `data` and `artifacts` have in common: options, the list of files, and the sight of a transfer."""

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
import yaml
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from trainingrun_client.cli import screen
from trainingrun_client.cli.options import Form
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.cluster import ClusterBackend
from trainingrun_client.connection import Connection
from trainingrun_client.files import Entry, Kind, Summary
from trainingrun_client.files.volume import START_SECONDS

UNITS = ("KiB", "MiB", "GiB", "TiB")
SIGNALS = ("SIGTERM", "SIGHUP")

Image = Annotated[
    str | None,
    typer.Option(help="Of the helper pod; with a POSIX shell. Default: that of the run, or the operator's."),
]
Timeout = Annotated[float, typer.Option(min=1, metavar="SECONDS", help="In which the helper pod must start.")]
DEFAULT_TIMEOUT = START_SECONDS


def connection_of(client: TrainingRunClient) -> Connection:
    """Of a client that `of_cluster` made."""
    assert isinstance(client.backend, ClusterBackend)
    return client.backend.connection


@dataclass(slots=True)
class Sight:
    """A bar on a terminal, elsewhere a line a file; both on standard error."""

    bar: Progress | None = None
    task: TaskID | None = None
    size: int = 0
    """Bytes that are there now."""

    def say(self, text: str) -> None:
        """Above the bar."""
        screen.say(text)

    def begin(self, files: int, size: int) -> None:
        """Shows the bar."""
        if self.bar is not None:
            self.task = self.bar.add_task(f"{files} files", total=size)
            self.bar.start()

    def advance(self, size: int) -> None:
        """Moves the bar."""
        self.size += size
        if self.bar is not None and self.task is not None:
            self.bar.advance(self.task, size)

    def done(self, path: str, size: int, *, skipped: bool) -> None:
        """A line, where there is no bar."""
        if self.bar is None:
            screen.say(f"{shown(path)} {human_size(size)}{', was there already' if skipped else ''}")


@contextmanager
def sight() -> Iterator[Sight]:
    """Shows what a transfer tells. SIGTERM and SIGHUP end it as Ctrl-C does: without a pod left."""
    for name in SIGNALS:
        if number := getattr(signal, name, None):
            signal.signal(number, signal.default_int_handler)
    if not screen.err.is_terminal:
        yield Sight()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=screen.err)
    try:
        yield Sight(bar)
    finally:
        bar.stop()


def tell_summary(summary: Summary, size: int, what: str) -> None:
    """One line at the end."""
    there = f"; {_files(summary.skipped)} there already" if summary.skipped else ""
    screen.say(
        f"{_files(summary.moved)} {what}{there}; {human_size(size)} are right by SHA-256 "
        f"({summary.seconds:.1f} s)"
    )


def show_entries(entries: Sequence[Entry], output: Form | None, *, directories: bool) -> None:
    """Files, in the form that is wanted; in the table, directories where they are not looked into."""
    listed = [
        {
            "path": entry.path,
            "kind": str(entry.kind),
            "size": entry.size,
            "modified": _moment(entry).isoformat().replace("+00:00", "Z"),
        }
        for entry in entries
    ]
    if output == Form.JSON:
        screen.write(json.dumps(listed, indent=2))
    elif output == Form.YAML:
        screen.write(yaml.safe_dump(listed, sort_keys=False, allow_unicode=True))
    elif output == Form.NAME:
        for entry in entries:
            screen.write(shown(entry.path))
    else:
        rows = [_row(entry) for entry in entries if directories or entry.kind != Kind.DIRECTORY]
        screen.show(screen.table(("SIZE", "MODIFIED", "PATH"), rows))


def shown(path: str) -> str:
    """A path without what would confuse a terminal.

    >>> shown("two\\nlines")
    'two\\\\nlines'
    """
    return screen.clean(path, allowed="")


def human_size(size: float) -> str:
    """In binary units.

    >>> human_size(1536)
    '1.5 KiB'
    """
    if size < 1024:
        return f"{size:g} B"
    for unit in UNITS:
        size /= 1024
        if size < 1024 or unit == UNITS[-1]:
            break
    return f"{size:.1f} {unit}"


def _files(count: int) -> str:
    return f"{count} file" if count == 1 else f"{count} files"


def _moment(entry: Entry) -> datetime:
    return datetime.fromtimestamp(entry.modified, UTC)


def _row(entry: Entry) -> tuple[str, str, str]:
    ending = {Kind.DIRECTORY: "/", Kind.LINK: "@"}.get(entry.kind, "")
    size = human_size(entry.size) if entry.kind == Kind.FILE else ""
    return size, f"{_moment(entry):%Y-%m-%d %H:%M:%S}", shown(entry.path) + ending

"""What a run on this machine says of itself: its metrics page while it trains, else its files."""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from trainingrun_api import TrainingConfig
from trainingrun_api.termination import TerminationMessage
from trainingrun_client import epochs as history
from trainingrun_client.local.environment import LOOPBACK
from trainingrun_client.local.state import Files
from trainingrun_client.log_lines import LogLine, of_local
from trainingrun_operator.scrape import Scrape, parse

SECONDS = 1.0
"""For the page, which is on this machine."""
TAIL = 20
"""Lines of a log that may say why its process ended."""
SCORES = ("train_", "val_")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def page(port: int, at: datetime, attempt: int) -> Scrape | None:
    """What rank 0 answers now; None where it does not, as before it has imported anything."""
    with (
        suppress(OSError, ValueError),
        _OPENER.open(f"http://{LOOPBACK}:{port}/metrics", timeout=SECONDS) as answer,
    ):
        return parse(answer.read().decode(), at, attempt)
    return None


def files(directory: Path, config: TrainingConfig, at: datetime, attempt: int) -> Scrape:
    """The same as far as metrics.json tells it."""
    known = epochs(directory)
    scrape = Scrape(at, attempt, epochs_planned=config.max_epochs, monitor=config.monitor)
    if not known:
        return scrape
    last = known[-1]
    return replace(
        scrape,
        epoch=int(last["epoch"]),
        global_step=int(last["global_step"]),
        samples_per_second=last.get("samples_per_second"),
        metrics={
            name: float(value)
            for name, value in last.items()
            if name.startswith(SCORES) and value is not None
        },
    )


def epochs(directory: Path) -> Sequence[history.Epoch]:
    """All of metrics.json."""
    try:
        return history.of_file((directory / "metrics.json").read_text())
    except FileNotFoundError:
        return []


def trained_config(directory: Path) -> Mapping[str, Any] | None:
    """The config that the trainer froze; None where it has not trained yet."""
    try:
        frozen: Mapping[str, Any] = json.loads((directory / "config.json").read_text())
    except FileNotFoundError:
        return None
    return frozen


def last_words(of: Files, attempt: int) -> TerminationMessage | None:
    """The termination message of an attempt."""
    try:
        return TerminationMessage.decode(of.termination(attempt).read_text())
    except FileNotFoundError:
        return None


def latest_attempt(directory: Path) -> int:
    """The highest attempt that has begun in the directory, whoever started it; 0 for none."""
    try:
        return int(json.loads((directory / "checkpoints" / "attempt.json").read_text())["attempt"])
    except FileNotFoundError:
        return 0


class LogReader:
    """Reads what is new in the log of an attempt."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._path = path
        self._attempt = attempt
        self._place = 0
        self._time = ""

    def lines(self, *, ended: bool = True) -> Iterator[LogLine]:
        """Whole lines since the last call; with the last one, whole or not, where nothing more will come."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._place)
                content = file.read()
        except FileNotFoundError:
            return
        if not ended:
            content = content[: content.rfind(b"\n") + 1]
        self._place += len(content)
        for text in content.decode(errors="replace").splitlines():
            line = of_local(text, self._time, self._attempt)
            time = line.fields.get("time")
            if isinstance(time, str):
                self._time = time
            yield replace(line, time=self._time)


def tail(of: Files, attempt: int) -> str:
    """The end of an attempt's log, as it reads."""
    return "\n".join(line.message for line in [*LogReader(of.log(attempt), attempt).lines()][-TAIL:])

"""Lines of a run's logs: of all ranks and attempts in one stream, in the order in which they were written.

A pod of several nodes' run holds one container whose ranks all write to it; a line of the built-in trainer
says itself which rank wrote it, a line of any other program only which pod.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line."""

    time: str
    """When the kubelet read it, RFC 3339 in UTC with nanoseconds; locally, when it was read."""
    attempt: int
    node: int
    """Index of the pod: torchrun's node rank."""
    text: str
    """As it was written."""
    fields: Mapping[str, Any]
    """Its JSON, where it is an object; else nothing."""

    @property
    def rank(self) -> int | None:
        """Global rank that wrote it; None for the launcher and other programs."""
        rank = self.fields.get("rank")
        return rank if isinstance(rank, int) else None

    @property
    def message(self) -> str:
        """What it says, without what is about it."""
        message = self.fields.get("message")
        return message if isinstance(message, str) else self.text

    @property
    def level(self) -> str:
        """INFO, WARNING, ERROR and so on; empty where the program does not say."""
        level = self.fields.get("level")
        return level if isinstance(level, str) else ""

    @property
    def epoch(self) -> Mapping[str, Any] | None:
        """The epoch that the line reports, as in metrics.json."""
        epoch = self.fields.get("epoch")
        return epoch if isinstance(epoch, dict) else None


def parse(line: str, attempt: int, node: int) -> LogLine:
    """A line that begins with the kubelet's time."""
    time, _, text = line.partition(" ")
    return LogLine(time, attempt, node, text, _fields(text))


def of_local(text: str, time: str, attempt: int) -> LogLine:
    """A line of a process on this machine."""
    return LogLine(time, attempt, 0, text, _fields(text))


def _fields(text: str) -> Mapping[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # anybody may have written it
        return {}
    return found if isinstance(found, dict) else {}

"""What one check found."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Some runs will not work."""
    FAILED = "failed"
    """No run will work."""
    UNKNOWN = "unknown"
    """This user may not look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check, its result, and what to do about it."""

    check: str
    state: State
    detail: str
    advice: str = ""

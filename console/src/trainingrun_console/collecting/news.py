"""What was heard of a run and is not in the history yet. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class News:
    """Of one run."""

    object: Mapping[str, Any] | None = None
    """The TrainingRun as it is now, or as it last was."""
    gone: bool = False
    events: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Kubernetes Events by UID."""

    def then(self, later: "News") -> "News":
        """With what was heard after it. A run that is gone never comes back: another one has another UID."""
        return News(later.object or self.object, later.gone or self.gone, {**self.events, **later.events})

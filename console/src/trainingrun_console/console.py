"""What a running service consists of; routes find it at `request.app.state.console`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainingrun_console.access.caller import Gate
from trainingrun_console.settings import Settings

if TYPE_CHECKING:
    from trainingrun_console.history.store import History
    from trainingrun_console.live.hub import Hub


@dataclass(frozen=True)
class Console:
    """One service."""

    settings: Settings
    history: "History"
    hub: "Hub"
    gate: Gate

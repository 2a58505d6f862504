"""What one process of an attempt works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainingrun_api import TrainingConfig
from trainingrun_api.termination import TerminationMessage
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.database.mirror import Mirror
from trainingrun_trainer.distributed import Ranks
from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.interruption import StopSignal
from trainingrun_trainer.progress import Progress
from trainingrun_trainer.telemetry import Telemetry


@dataclass
class Attempt:
    """The parts that live as long as the process."""

    config: TrainingConfig
    directory: RunDirectory
    ranks: Ranks
    heartbeat: Heartbeat
    telemetry: Telemetry
    environment: Mapping[str, str]
    progress: Progress | None = None
    """On rank 0, once training is set up."""
    database: Mirror | None = None
    """On rank 0: the tables run and run_metrics."""
    stop: StopSignal = field(default_factory=StopSignal)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.ranks.rank == 0

    def message(self, message: TerminationMessage) -> TerminationMessage:
        """A termination message completed by how far training came."""
        return self.progress.message(message) if self.progress else message

    def wait(self) -> None:
        """Called while rank 0 waits for the volume: a sign of life, and the end where one was asked for."""
        self.heartbeat.beat()
        if self.stop.received:
            raise Interrupted("stopped by SIGTERM", STOPPED_ADVICE)

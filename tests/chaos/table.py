"""The table: every fault at every moment on either kind of rank, and what must hold afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from trainingrun_api.reasons import AttemptOutcome, Reason


class Fault(StrEnum):
    """What goes wrong."""

    KILL = "sigkill"
    TERMINATE = "sigterm"
    STOP = "sigstop"
    OUT_OF_MEMORY = "oom"
    DELETE_POD = "delete-pod"
    DRAIN_NODE = "drain-node"
    DEAD_NODE = "dead-node"
    FULL_VOLUME = "full-volume"
    """Freed again once the trainer says that it cannot save."""
    TRUNCATED_CHECKPOINT = "truncated-checkpoint"
    """SIGKILL, and the newest checkpoint loses its second half before the next attempt reads it."""
    SLOW_DISK = "slow-disk"
    SUSPEND = "suspend"
    """No fault, but it must leave as little trace: spec.suspend, and resumed once no pod is left."""


class Moment(StrEnum):
    """What the run is doing then."""

    START_UP = "start-up"
    """The rank's process exists and has not trained yet."""
    MID_EPOCH = "mid-epoch"
    """Between two checkpoints, in the second epoch."""
    VALIDATION = "validation"
    SAVING = "saving"
    """A checkpoint is half written."""


class Rank(StrEnum):
    """Who is struck, or whose pod, or whose node."""

    FIRST = "rank-0"
    OTHER = "other-rank"
    """The last rank, which is in the last pod."""


@dataclass(frozen=True)
class Expected:
    """How the attempt that was struck must have ended."""

    outcome: AttemptOutcome
    """Completed where the fault ends nothing."""
    reasons: tuple[Reason, ...]
    intervals: int
    """Checkpoint intervals that may be lost at most; 0 where there was time to save."""


@dataclass(frozen=True)
class Case:
    """One line of the table. Every run must be Completed and equal the undisturbed one bit for bit."""

    fault: Fault
    moment: Moment
    rank: Rank
    expected: Expected

    @property
    def name(self) -> str:
        """Usable as the name of a run."""
        return f"{self.fault}-{self.moment}-{self.rank}"


FAILURE, DISRUPTION, STALL = AttemptOutcome.FAILURE, AttemptOutcome.DISRUPTION, AttemptOutcome.STALL
UNTOUCHED = Expected(AttemptOutcome.COMPLETED, (Reason.COMPLETED,), 0)

EXPECTED = {
    Fault.KILL: Expected(FAILURE, (Reason.KILLED,), 1),
    Fault.TERMINATE: Expected(DISRUPTION, (Reason.INTERRUPTED,), 0),
    Fault.STOP: Expected(STALL, (Reason.STALLED,), 1),
    Fault.OUT_OF_MEMORY: Expected(FAILURE, (Reason.OOM_KILLED,), 1),
    Fault.DELETE_POD: Expected(DISRUPTION, (Reason.POD_DELETED,), 0),
    Fault.DRAIN_NODE: Expected(DISRUPTION, (Reason.EVICTED,), 0),
    Fault.DEAD_NODE: Expected(DISRUPTION, (Reason.NODE_LOST,), 1),
    Fault.FULL_VOLUME: UNTOUCHED,
    Fault.TRUNCATED_CHECKPOINT: Expected(FAILURE, (Reason.KILLED,), 2),
    Fault.SLOW_DISK: UNTOUCHED,
    Fault.SUSPEND: Expected(AttemptOutcome.SUSPENSION, (Reason.SUSPENDED,), 0),
}


def _cases() -> Iterator[Case]:
    for fault, moment, rank in product(Fault, Moment, Rank):
        if fault is Fault.TRUNCATED_CHECKPOINT and moment is Moment.START_UP:
            continue  # no checkpoint exists yet
        if fault is Fault.SUSPEND and rank is not Rank.FIRST:
            continue  # it strikes all ranks
        expected = EXPECTED[fault]
        if moment is Moment.START_UP and fault is not Fault.DEAD_NODE:
            expected = replace(expected, intervals=0)  # nothing is trained yet; a node takes seconds to die
        yield Case(fault, moment, rank, expected)


CASES = tuple(_cases())


def select(
    faults: tuple[Fault, ...] = (), moments: tuple[Moment, ...] = (), ranks: tuple[Rank, ...] = ()
) -> list[Case]:
    """The lines with one of these faults, moments and ranks; none given is all of them."""
    return [
        case
        for case in CASES
        if (not faults or case.fault in faults)
        and (not moments or case.moment in moments)
        and (not ranks or case.rank in ranks)
    ]


def _case(fault: Fault, moment: Moment, rank: Rank) -> Case:
    return select((fault,), (moment,), (rank,))[0]


QUICK = (
    _case(Fault.TERMINATE, Moment.MID_EPOCH, Rank.FIRST),
    _case(Fault.STOP, Moment.MID_EPOCH, Rank.OTHER),
    _case(Fault.DELETE_POD, Moment.VALIDATION, Rank.FIRST),
    _case(Fault.TRUNCATED_CHECKPOINT, Moment.MID_EPOCH, Rank.OTHER),
    _case(Fault.SUSPEND, Moment.MID_EPOCH, Rank.FIRST),
)
"""What `make test` runs. A truncated checkpoint begins with a SIGKILL, which needs no line of its own."""

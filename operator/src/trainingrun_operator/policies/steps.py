"""Which steps an attempt took, as far as anybody knows."""

from collections.abc import Iterable
from dataclasses import dataclass

from trainingrun_api.reasons import Reason
from trainingrun_api.termination import TerminationMessage
from trainingrun_operator.plan import Situation


@dataclass(frozen=True, slots=True)
class Steps:
    """Optimizer steps; None where nobody told."""

    first: int | None
    """Step of the checkpoint that the attempt went on from."""
    last: int | None
    """The last step that was taken."""
    checkpoint: int | None
    """The newest step that is in a checkpoint of the run."""


def steps_of(situation: Situation) -> Steps:
    """The steps of the latest attempt: what rank 0 said last, and what the pods said at their end.

    The status tells of this attempt alone (see `start`), and may know words of pods that are gone by now; the
    last answer may be newer, and ranks that were found silent tell of later steps.
    """
    told = [
        message
        for pod in situation.pods
        if pod.exit and (message := TerminationMessage.decode(pod.exit.message))
    ]
    known, progress, scrape = situation.status.checkpoint, situation.status.progress, situation.scrape
    first = [known.resumed_from_step if known else None, scrape.resumed_step if scrape else None]
    taken = [progress.global_step if progress else None, scrape.global_step if scrape else None]
    taken += [message.global_step for message in told]
    if situation.stopping and situation.stopping.reason == Reason.STALLED:
        taken += [rank.step for rank in situation.status.silent_ranks or ()]
    kept = [known.step if known else None, scrape.checkpoint_step if scrape else None]
    kept += [message.checkpoint.step for message in told if message.checkpoint]
    return Steps(_greatest(first), _greatest([*first, *taken]), _greatest(kept))


def _greatest(steps: Iterable[int | None]) -> int | None:
    return max((step for step in steps if step is not None), default=None)

"""Which steps an attempt took, as far as anybody knows."""

from dataclasses import dataclass

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

    The status tells of this attempt alone (see `start`), and may know words of pods that are gone by now.
    """
    told = [
        message
        for pod in situation.pods
        if pod.exit and (message := TerminationMessage.decode(pod.exit.message))
    ]
    known, progress = situation.status.checkpoint, situation.status.progress
    taken = [message.global_step for message in told] + [progress.global_step if progress else None]
    kept = [message.checkpoint.step for message in told if message.checkpoint]
    return Steps(
        first=known.resumed_from_step if known else None,
        last=max((step for step in taken if step is not None), default=None),
        checkpoint=max((*kept, known.step) if known else kept, default=None),
    )

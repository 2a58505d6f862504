"""What index 0 said when it ended; it speaks for the whole gang."""

from datetime import datetime

from trainingrun_api.termination import TerminationMessage
from trainingrun_operator import progress
from trainingrun_operator.plan import Situation


def last_message(situation: Situation) -> TerminationMessage | None:
    """The termination message of index 0."""
    said = _said(situation)
    return said[0] if said else None


def last_words(situation: Situation) -> dict[str, object]:
    """Status fields that the end of the latest attempt brings."""
    said = _said(situation)
    return progress.final(situation.status, *said) if said else progress.silent(situation.status)


def _said(situation: Situation) -> tuple[TerminationMessage, datetime] | None:
    """The message, and when the gang had ended."""
    for pod in situation.pods:
        if pod.index == 0 and pod.exit and (message := TerminationMessage.decode(pod.exit.message)):
            ended = situation.job.ended_at if situation.job else None
            return message, ended or pod.exit.finished_at
    return None

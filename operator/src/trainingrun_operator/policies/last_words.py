"""What index 0 said when it ended; it speaks for the whole gang."""

from datetime import datetime

from trainingrun_api.termination import TerminationMessage
from trainingrun_operator import progress
from trainingrun_operator.plan import Situation
from trainingrun_operator.times import to_timestamp


def last_message(situation: Situation) -> TerminationMessage | None:
    """The termination message of index 0."""
    said = _said(situation)
    return said[0] if said else None


def last_words(situation: Situation) -> dict[str, object]:
    """Status fields that the end of the latest attempt brings."""
    status, said = situation.status, _said(situation)
    if status.start_time is None and situation.started_at:  # it ended before it was seen to run
        status = status.model_copy(update={"start_time": to_timestamp(situation.started_at)})
    return progress.final(status, *said) if said else progress.silent(status)


def _said(situation: Situation) -> tuple[TerminationMessage, datetime] | None:
    """The message, and when the gang had ended."""
    for pod in situation.pods:
        if pod.index == 0 and pod.exit and (message := TerminationMessage.decode(pod.exit.message)):
            ended = situation.job.ended_at if situation.job else None
            return message, ended or pod.exit.finished_at
    return None

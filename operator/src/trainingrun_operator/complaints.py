"""Reads what the Job controller or a kubelet complains of, where nothing but their Events tells it: quota and
admission that refuse pods, volumes that cannot be mounted.

Asked seldom, and only of what has been waited for for long: nothing but words rests on the answer.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from trainingrun_operator.cluster import RESOURCES, Cluster
from trainingrun_operator.errors import ApiError, UnavailableError
from trainingrun_operator.observed import Trouble, complaint_from
from trainingrun_operator.plan import Situation
from trainingrun_operator.policies.waiting import stuck
from trainingrun_operator.times import seconds_between

MEMORY_SECONDS = 60.0
"""Between two questions about the same object."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    uid: str
    at: datetime
    complaint: Trouble | None


class Complaints:
    """The last answer for each run. Threads may share it as long as each run is in one thread at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._answers: dict[str, _Answer] = {}

    def ask(self, situation: Situation) -> Trouble | None:
        """What is wrong with the object that the run waits for; None where nobody complains."""
        run, subject = situation.run, stuck(situation)
        if subject is None:
            return None
        known = self._answers.get(run.uid)
        if known and known.uid == subject.uid and seconds_between(known.at, situation.now) < MEMORY_SECONDS:
            return known.complaint
        try:
            found = self._cluster.find(
                RESOURCES["Event"], run.namespace, fields=f"regarding.uid={subject.uid}"
            )
        except (ApiError, UnavailableError) as error:
            log.debug("events cannot be read: %s", error)
            found = []
        self._answers[run.uid] = _Answer(subject.uid, situation.now, complaint_from(found))
        return self._answers[run.uid].complaint

    def forget(self, uid: str) -> None:
        """Drops what is remembered of a run that no longer exists."""
        self._answers.pop(uid, None)

"""Asks Kueue what it says of a queued Job, seldom: nothing but words rests on the answer (see `kueue`)."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingrun_operator.cluster import WORKLOADS, Cluster
from trainingrun_operator.errors import ApiError, UnavailableError
from trainingrun_operator.kueue import JOB_UID_LABEL, Workload, workload_from
from trainingrun_operator.plan import Situation
from trainingrun_operator.policies.quota import admitted
from trainingrun_operator.times import seconds_between

LONGEST_MEMORY = 10.0
"""Seconds between two questions about the same Job."""
SILENCE_SECONDS = 60.0
"""How long nobody is asked after a question that the server could not answer: each takes seconds of a worker,
and a thousand runs may queue."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    question: tuple[str, bool]
    at: datetime
    workload: Workload | None


class Workloads:
    """The last answer for each run. Threads may share it as long as each run is in one thread at a time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._answers: dict[str, _Answer] = {}
        self._silent_until: datetime | None = None

    def ask(self, situation: Situation) -> Workload | None:
        """What Kueue says of the latest Job; None where it says nothing, does not exist or may not be asked.

        What it said while the Job was queued is no answer to why it lost its quota later.
        """
        job, run = situation.job, situation.run
        if job is None:
            return None
        question = job.uid, admitted(situation)
        known = self._answers.get(run.uid)
        if known and known.question == question and seconds_between(known.at, situation.now) < LONGEST_MEMORY:
            return known.workload
        if self._silent_until and situation.now < self._silent_until:
            return known.workload if known and known.question == question else None
        try:
            found = self._cluster.find(WORKLOADS, run.namespace, f"{JOB_UID_LABEL}={job.uid}")
        except ApiError as error:
            log.debug("the Workload of Job %s cannot be read: %s", job.name, error)
            found = []
        except UnavailableError as error:
            # Kueue converts its objects itself, so it takes them along when it is down.
            log.warning("Kueue's Workloads cannot be read: %s", error)
            self._silent_until = situation.now + timedelta(seconds=SILENCE_SECONDS)
            found = []
        self._answers[run.uid] = _Answer(question, situation.now, workload_from(found))
        return self._answers[run.uid].workload

    def forget(self, uid: str) -> None:
        """Drops what is remembered of a run that no longer exists."""
        self._answers.pop(uid, None)

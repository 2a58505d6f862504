"""Notices that the Job of a recorded attempt is gone.

The index lags: a Job that was created a moment ago may be missing in it, and one that was deleted may still
be there. So a missing Job is looked up on the API server before the run fails.
"""

from datetime import datetime

from trainingrun_api import names
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import LastFailure
from trainingrun_operator.plan import Plan, Situation, Verify
from trainingrun_operator.policies.outcome import failed
from trainingrun_operator.times import seconds_between

INDEX_LAG_SECONDS = 5.0
"""A Job younger than this is taken to be on its way into the index, which saves a read for each run."""


def lost(situation: Situation) -> Plan | None:
    """Failed with JobLost, where the Job is gone for certain."""
    if situation.job is not None or situation.attempt is None:
        return None
    if Verify.JOB not in situation.verified:
        young = INDEX_LAG_SECONDS - seconds_between(_accepted_at(situation), situation.now)
        if young > 0:
            return Plan(why="the Job is not in the index yet", requeue_after=young)
        return Plan(why="the Job is not in the index", verify=Verify.JOB)
    job = names.job_name(situation.run.name, situation.attempt)
    return failed(
        situation,
        LastFailure(
            attempt=situation.attempt,
            reason=Reason.JOB_LOST,
            message=f"Job {job} was deleted before it ended",
            advice="create the TrainingRun anew; delete a TrainingRun instead of its Job to stop it",
        ),
    )


def _accepted_at(situation: Situation) -> datetime | None:
    for condition in situation.status.conditions or ():
        if condition.type == ConditionType.ACCEPTED:
            return datetime.fromisoformat(condition.last_transition_time)
    return None

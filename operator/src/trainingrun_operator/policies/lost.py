"""Notices that the Job of a recorded attempt is gone.

The index lags: a Job that was created a moment ago may be missing in it, and one that was deleted may still
be there. So a missing Job is looked up on the API server before its attempt ends.
"""

from datetime import datetime

from trainingrun_api import names
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import LastFailure
from trainingrun_operator.plan import Plan, Situation, Verify
from trainingrun_operator.policies.conclude import conclude
from trainingrun_operator.policies.cost import outcome_of
from trainingrun_operator.policies.last_words import last_words
from trainingrun_operator.policies.start import FIRST_ATTEMPT
from trainingrun_operator.policies.stop import stop
from trainingrun_operator.times import seconds_between

INDEX_LAG_SECONDS = 5.0
"""A first Job younger than this is taken to be on its way into the index, which saves a read for each run."""


def lost(situation: Situation) -> Plan | None:
    """The end of the attempt, where its Job is gone for certain; pods that are left are stopped first."""
    if situation.job is not None or situation.attempt is None:
        return None
    if Verify.JOB not in situation.verified:
        young = INDEX_LAG_SECONDS - seconds_between(_accepted_at(situation), situation.now)
        if young > 0 and situation.attempt == FIRST_ATTEMPT:
            return Plan(why="the Job is not in the index yet", requeue_after=young)
        return Plan(why="the Job is not in the index", verify=Verify.JOB)
    job = names.job_name(situation.run.name, situation.attempt)
    failure = LastFailure(
        attempt=situation.attempt,
        reason=Reason.JOB_LOST,
        message=f"Job {job} was deleted before it ended",
        advice="set spec.suspend to stop a run, or delete the TrainingRun instead of its Job",
    )
    if any(pod.alive for pod in situation.pods):
        return stop(situation, Reason.JOB_LOST, failure.message, failure=failure)
    return conclude(situation, failure, outcome_of(failure), last_words(situation))


def _accepted_at(situation: Situation) -> datetime | None:
    for condition in situation.status.conditions or ():
        if condition.type == ConditionType.ACCEPTED:
            return datetime.fromisoformat(condition.last_transition_time)
    return None

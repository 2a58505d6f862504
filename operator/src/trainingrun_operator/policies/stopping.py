"""Carries out the decision to end an attempt: deletes its pods and its Job, waits, and concludes.

The Job goes too, whatever its state: without it nothing brings a pod back, a queue gets its quota back, and
the Job controller lets go of pods on nodes that no longer answer.
"""

from trainingrun_api.reasons import Reason
from trainingrun_api.status import LastFailure, Stopping
from trainingrun_operator.plan import Deletion, Plan, Situation, Verify
from trainingrun_operator.policies.conclude import conclude
from trainingrun_operator.policies.cost import outcome_of
from trainingrun_operator.policies.gone import farewell
from trainingrun_operator.policies.last_words import last_words

STALLED_GRACE_SECONDS = 5
"""What stands still writes no checkpoint."""


def stopping(situation: Situation) -> Plan | None:
    """The next step towards the end of an attempt that is being stopped."""
    decision = situation.stopping
    if decision is None or situation.between_attempts:
        return None
    job, alive = situation.job, any(pod.alive for pod in situation.pods)
    if job and not alive and Verify.JOB not in situation.verified:
        # Without pods no other event may come, and an index that missed the deletion would show it for long.
        return Plan(why="no pods are left of a Job that is to go", verify=Verify.JOB)
    grace = STALLED_GRACE_SECONDS if decision.reason == Reason.STALLED else None
    leaving = farewell(situation.pods, situation.spec.restart.node_lost_seconds, situation.now, grace)
    if job is None and not alive:
        failure = _failure(situation, decision)
        return conclude(situation, failure, outcome_of(failure), last_words(situation))
    return Plan(
        why=f"attempt {decision.attempt} is being stopped: {decision.reason}",
        status=situation.status.model_copy(update=last_words(situation)),
        delete=(*leaving.delete, *((Deletion("Job", job.name, job.uid),) if job else ())),
        requeue_after=leaving.recheck_after,
    )


def _failure(situation: Situation, decision: Stopping) -> LastFailure:
    known = situation.status.last_failure
    if known and (known.attempt, known.reason) == (decision.attempt, decision.reason):
        return known
    return LastFailure(attempt=decision.attempt, reason=decision.reason, message=decision.message)

"""Follows a Job that a queue (Kueue) admits, and gives it up when the queue takes its quota back.

The operator creates such a Job suspended and never touches it again: whoever manages the queue starts it,
injects where its pods may run, and stops it by suspending it anew. A stopped gang lost its pods, so its
attempt is over. Its Job is deleted, which releases what the queue holds for it, and the next attempt queues
anew: were the old Job kept, it could come back with a second gang of the same attempt.
"""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import LastFailure
from trainingrun_operator.conditions import Finding
from trainingrun_operator.observed import Job, JobState
from trainingrun_operator.plan import Plan, Situation, Verify, with_findings
from trainingrun_operator.policies.advice import advice
from trainingrun_operator.policies.quota import admitted, awaited
from trainingrun_operator.policies.start import first_record
from trainingrun_operator.policies.stop import stop
from trainingrun_operator.times import seconds_between

RECHECK_SECONDS = 10.0
"""How often a queued run asks what it waits for, at first; no event tells."""
SETTLED_SECONDS = 60.0
"""From this age on of the Job, the words of the queue are taken to stay; the resync refreshes them."""
PREEMPTION = "Preempted"
"""Kueue's reason where a workload of higher priority, or of a queue that lent its quota, took it."""


def queue(situation: Situation) -> Plan | None:
    """Pending while the Job is suspended; the end of the attempt where it had been admitted."""
    job = situation.job
    if job is None or not job.suspended or job.state == JobState.COMPLETE:
        return None
    if Verify.WORKLOAD not in situation.verified:
        return Plan(why="the Job is suspended", verify=Verify.WORKLOAD)
    return _evicted(situation, job) if admitted(situation) else _queued(situation, job)


def _queued(situation: Situation, job: Job) -> Plan:
    findings = awaited(situation)
    young = seconds_between(job.created, situation.now) < SETTLED_SECONDS
    return Plan(
        why=findings[ConditionType.QUOTA_RESERVED].message,
        status=with_findings(
            situation,
            {ConditionType.ACCEPTED: Finding("True", Reason.OBJECTS_CREATED), **findings},
            **first_record(situation, job.attempt),
        ),
        requeue_after=RECHECK_SECONDS if young else None,
    )


def _evicted(situation: Situation, job: Job) -> Plan:
    told = situation.workload.evicted if situation.workload else None
    name = situation.spec.queue
    preempted = name is not None and (told is None or told.reason == PREEMPTION)
    reason = Reason.PREEMPTED if preempted else Reason.EVICTED
    message = f"LocalQueue {name} took the quota back" if name else "somebody suspended the Job"
    if told:
        message = f"{message}: {told.message or told.reason}"
    failure = LastFailure(attempt=job.attempt, reason=reason, message=message, advice=advice(reason))
    lost = Finding("False", reason, message)
    return stop(situation, reason, message, failure=failure, findings={ConditionType.QUOTA_RESERVED: lost})

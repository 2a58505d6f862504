"""Ends an attempt one of whose pods cannot end by itself.

The Job stays active as long as a pod of it is on its way out, and a node that no longer answers never says
that it ended. Meanwhile the other ranks would wait for it in a collective.
"""

from trainingrun_api.reasons import Reason
from trainingrun_operator.observed import JobState
from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.diagnosis import describe
from trainingrun_operator.policies.gone import given_up_at
from trainingrun_operator.policies.outcome import sentence
from trainingrun_operator.policies.stop import stop


def node_lost(situation: Situation) -> Plan | None:
    """Stops the attempt where a pod of it is given up."""
    if situation.job is None or situation.job.state != JobState.ACTIVE:
        return None
    seconds = situation.spec.restart.node_lost_seconds
    for pod in situation.pods:
        given_up = given_up_at(pod, seconds) if pod.alive else None
        if given_up and given_up <= situation.now:
            failure = describe(situation.spec, pod.attempt, pod, Reason.NODE_LOST)
            return stop(situation, Reason.NODE_LOST, sentence(failure), failure=failure)
    return None

"""Ends an attempt one of whose pods cannot end by itself.

The Job stays active as long as a pod of it is on its way out, and a node that no longer answers never says
that it ended. Meanwhile the other ranks would wait for it in a collective.
"""

from datetime import datetime

from trainingrun_api.reasons import Reason
from trainingrun_operator.observed import JobState, Pod
from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.diagnosis import describe
from trainingrun_operator.policies.gone import given_up_at
from trainingrun_operator.policies.outcome import sentence
from trainingrun_operator.policies.stop import stop


def node_lost(situation: Situation) -> Plan | None:
    """Stops the attempt where a pod of it is given up."""
    if situation.job is None or situation.job.state != JobState.ACTIVE:
        return None
    for pod, given_up in _leaving(situation):
        if given_up <= situation.now:
            failure = describe(situation.spec, pod.attempt, pod, Reason.NODE_LOST)
            return stop(situation, Reason.NODE_LOST, sentence(failure), failure=failure)
    return None


def given_up_in(situation: Situation) -> float | None:
    """Seconds until the next pod that is on its way out is given up; nothing else tells."""
    moments = [given_up for _, given_up in _leaving(situation)]
    return (min(moments) - situation.now).total_seconds() if moments else None


def _leaving(situation: Situation) -> list[tuple[Pod, datetime]]:
    seconds = situation.spec.restart.node_lost_seconds
    return [
        (pod, moment)
        for pod in situation.pods
        if pod.alive and (moment := given_up_at(pod, seconds)) is not None
    ]

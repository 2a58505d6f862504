"""The condition Progressing: whether training moves, as far as the operator knows.

A stall stays to be seen until there is a heartbeat again, over the end of its attempt and that of the run.
"""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Situation, Verify
from trainingrun_operator.policies.unreachable import MESSAGE, unreachable
from trainingrun_operator.resumption import resumed

Findings = dict[ConditionType, Finding]


def moving(situation: Situation) -> Findings:
    """Of an attempt whose pods run."""
    if Verify.PULSE in situation.verified and situation.pulse is None:
        return {}
    if unreachable(situation):
        return {ConditionType.PROGRESSING: Finding("Unknown", Reason.UNREACHABLE, MESSAGE)}
    if (scrape := situation.scrape) and scrape.heartbeat is not None:
        return {ConditionType.PROGRESSING: Finding("True", Reason.STEPS_TAKEN, resumed(scrape))}
    return resting(situation)


def resting(situation: Situation) -> Findings:
    """While no attempt runs, or one that tells nothing."""
    return _unless_stalled(situation, Finding("Unknown", Reason.NO_HEARTBEAT))


def at_the_end(situation: Situation) -> Findings:
    """Of a run that is over."""
    return _unless_stalled(situation, Finding("False", Reason.FINISHED))


def _unless_stalled(situation: Situation, finding: Finding) -> Findings:
    known = {condition.type: condition for condition in situation.status.conditions or ()}
    last = known.get(ConditionType.PROGRESSING)
    return {} if last and last.reason == Reason.STALLED else {ConditionType.PROGRESSING: finding}

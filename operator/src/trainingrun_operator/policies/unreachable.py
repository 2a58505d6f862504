"""Holds back the verdict on a silent run while no trainer at all answers the operator.

A broken network between operator and pods looks like a stall of every run at once, while all of them may be
training: to stop them would cost more than the fault itself. So long as nobody answers, nothing can be told
of anyone. After an hour the attempt is ended all the same, for it may hang; that is the network's doing and
free, and its trainer has its grace period to save a checkpoint.
"""

from trainingrun_api import names
from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_api.status import LastFailure
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.advice import advice
from trainingrun_operator.policies.stop import stop
from trainingrun_operator.times import human_duration

HELD_SECONDS = 3600
"""Beyond the limit for stalls."""
RECHECK_SECONDS = 30.0
"""When to ask the pods again; an answer to the scraper brings the run up earlier."""
PORTS = f"{names.METRICS_PORT} and {names.HEARTBEATS_PORT}"
MESSAGE = f"no trainer of any run answers the operator on ports {PORTS}; whether this one moves is unknown"


def unreachable(situation: Situation) -> bool:
    """Whether neither a pod of this run answered just now, nor another run's trainer of late."""
    pulse = situation.pulse
    return bool(pulse and pulse.heartbeat is None and not pulse.beats and not situation.hears)


def end_of(situation: Situation) -> Plan:
    """The end of an attempt about which nothing was heard for too long."""
    message = f"{MESSAGE}, for {human_duration(HELD_SECONDS)}"
    failure = LastFailure(
        attempt=situation.attempt or 0,
        reason=Reason.UNREACHABLE,
        message=message,
        advice=advice(Reason.UNREACHABLE),
    )
    findings = {ConditionType.PROGRESSING: Finding("Unknown", Reason.UNREACHABLE, MESSAGE)}
    return stop(situation, Reason.UNREACHABLE, message, failure=failure, findings=findings)

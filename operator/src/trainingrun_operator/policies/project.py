"""Holds a run back while another one of its project is active; `projects` says which one goes first."""

from trainingrun_api.reasons import ConditionType, Reason
from trainingrun_operator.conditions import Finding
from trainingrun_operator.plan import Plan, Situation, with_findings

UNDECIDED_SECONDS = 1.0
"""When to look again while the run that goes first has not been looked at. Later on the end of that run, or a
change of its phase, brings the waiting ones up; the epoch in their message is as old as the last resync."""


def project(situation: Situation) -> Plan | None:
    """Pending, for whom, and at which place in line; nothing where the way is free."""
    ahead = situation.ahead
    if ahead is None:
        return None
    message = f"waits for {ahead.name} ({ahead.doing}), {_ordinal(ahead.place)} in line"
    held = Finding("False", Reason.WAITING_FOR_PROJECT, message)
    return Plan(
        why=message,
        status=with_findings(
            situation,
            {ConditionType.QUOTA_RESERVED: held, ConditionType.RUNNING: held},
            waiting_for=ahead.name,
        ),
        requeue_after=None if ahead.holds else UNDECIDED_SECONDS,
    )


def _ordinal(place: int) -> str:
    last = place % 10 if place % 100 not in (11, 12, 13) else 0
    return f"{place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"

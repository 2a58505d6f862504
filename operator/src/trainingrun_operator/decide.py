"""The decision about a run: the first policy that answers. Pure.

The order is the meaning: what has ended stays ended, what was never started is started, what is lost fails,
and only then is the Job followed.
"""

from collections.abc import Callable

from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.finished import finished
from trainingrun_operator.policies.lost import lost
from trainingrun_operator.policies.settled import settled
from trainingrun_operator.policies.start import start
from trainingrun_operator.policies.under_way import under_way

Policy = Callable[[Situation], Plan | None]

POLICIES: tuple[Policy, ...] = (settled, start, lost, finished, under_way)


def decide(situation: Situation) -> Plan:
    """What to do now."""
    for policy in POLICIES:
        if (plan := policy(situation)) is not None:
            return plan
    raise AssertionError(f"no policy answers for {situation.run.namespace}/{situation.run.name}")

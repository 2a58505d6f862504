"""The decision about a run: the first policy that answers. Pure.

The order is the meaning: what has ended stays ended, unless somebody wants it anew or gone; where no attempt
is under way, the next one starts as soon as nothing holds it; a decision to end an attempt is carried out
whatever else happens; and only then are the Job and its pods followed.
"""

from collections.abc import Callable

from trainingrun_operator.plan import Plan, Situation
from trainingrun_operator.policies.between import between
from trainingrun_operator.policies.deadline import deadline
from trainingrun_operator.policies.finished import finished
from trainingrun_operator.policies.lost import lost
from trainingrun_operator.policies.node_lost import node_lost
from trainingrun_operator.policies.queue import queue
from trainingrun_operator.policies.retry import retry
from trainingrun_operator.policies.settled import settled
from trainingrun_operator.policies.stall import stall
from trainingrun_operator.policies.stopping import stopping
from trainingrun_operator.policies.suspend import suspend
from trainingrun_operator.policies.ttl import ttl
from trainingrun_operator.policies.under_way import under_way

Policy = Callable[[Situation], Plan | None]

POLICIES: tuple[Policy, ...] = (
    retry, ttl, settled, between, stopping, suspend, lost, queue, finished, node_lost, deadline, stall,
    under_way,
)  # fmt: skip


def decide(situation: Situation) -> Plan:
    """What to do now."""
    for policy in POLICIES:
        if (plan := policy(situation)) is not None:
            return plan
    raise AssertionError(f"no policy answers for {situation.run.namespace}/{situation.run.name}")

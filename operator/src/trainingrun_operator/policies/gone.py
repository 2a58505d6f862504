"""When a pod counts as gone, and when it is removed without asking its node. Pure.

A pod that was deleted stays until its node says that the program ended. An unreachable node never says so.
Its pods are given up after a time that the user chose; whatever still runs there can touch no checkpoint any
more, for the next attempt fences them off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingrun_operator.observed import Pod
from trainingrun_operator.plan import Deletion
from trainingrun_operator.policies.cause import LOST_NODE_REASONS

MARGIN_SECONDS = 5
"""What a node that came back in the last moment gets to say so."""
NO_GRACE = 0


@dataclass(frozen=True, slots=True)
class Farewell:
    """What is to be done about pods that must go, and when to look again."""

    delete: tuple[Deletion, ...]
    recheck_after: float | None


def farewell(
    pods: Iterable[Pod], node_lost_seconds: int, now: datetime, grace_seconds: int | None = None
) -> Farewell:
    """Deletes living pods once, with this grace or their own, and for good where their time is up."""
    delete: list[Deletion] = []
    due = []
    for pod in (pod for pod in pods if pod.alive):
        if (given_up := given_up_at(pod, node_lost_seconds)) is None:
            delete.append(Deletion("Pod", pod.name, pod.uid, grace_seconds))
        elif given_up <= now:
            delete.append(Deletion("Pod", pod.name, pod.uid, NO_GRACE))
        else:
            due.append((given_up - now).total_seconds())
    return Farewell(tuple(delete), min(due, default=None))


def given_up_at(pod: Pod, node_lost_seconds: int) -> datetime | None:
    """From when on a pod is not waited for; None while nobody asked for its deletion.

    The control plane deletes the pods of an unreachable node `nodeLostSeconds` after it lost sight of it (see
    `desired.pod`), so that time has passed then. A program that never started needs no grace either.
    """
    if pod.deletion is None:
        return None
    lost = pod.disruption is not None and pod.disruption.reason in LOST_NODE_REASONS
    if lost and (pod.unreachable or pod.started_at is None):
        return pod.deletion.requested_at + timedelta(seconds=MARGIN_SECONDS)
    return pod.deletion.due_at + timedelta(seconds=max(node_lost_seconds, MARGIN_SECONDS))

"""What Kueue says about a Job, from the Workload that it keeps for it. Pure: raw objects in, facts out.

Nothing but words for people and the difference between a preemption and another eviction rests on it, so a
cluster where it cannot be read, or has no Kueue, loses no more than that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainingrun_operator.observed import Raw, Trouble

JOB_UID_LABEL = "kueue.x-k8s.io/job-uid"
"""On a Workload: the UID of its Job."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The state of a Job in its queue."""

    waiting: str
    """Why it has no quota; empty where it has, or nobody looked yet."""
    evicted: Trouble | None
    """Why it lost its quota."""


def workload_from(bodies: Sequence[Raw]) -> Workload | None:
    """The facts of a Job's Workload, of the newest where a replacement is under way."""
    if not bodies:
        return None
    newest = max(bodies, key=lambda body: str(body["metadata"]["creationTimestamp"]))
    status = newest.get("status") or {}
    conditions: dict[str, Any] = {found["type"]: found for found in status.get("conditions") or ()}
    reserved, evicted = conditions.get("QuotaReserved", {}), conditions.get("Evicted", {})
    return Workload(
        waiting=reserved.get("message", "") if reserved.get("status") == "False" else "",
        evicted=Trouble(evicted.get("reason", ""), evicted.get("message", ""))
        if evicted.get("status") == "True"
        else None,
    )

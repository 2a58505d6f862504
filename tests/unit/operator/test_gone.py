"""When pods that must go are deleted, waited for and given up."""

from typing import Any

import pytest

from tests.unit.operator.builders import NOW, at, dead_pod, raw_pod
from trainingrun_operator.observed import pod_from
from trainingrun_operator.plan import Deletion
from trainingrun_operator.policies.gone import MARGIN_SECONDS, farewell

NODE_LOST_SECONDS = 60
TAINTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
EVICTED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
UNREADY = {"type": "Ready", "status": "False"}
NAME, UID = pod_from(raw_pod()).name, pod_from(raw_pod()).uid


def leaving(*conditions: dict[str, str], due: float, state: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod whose deletion was asked for; its grace of 30 s is over `due` seconds from NOW."""
    meta = {"deletionTimestamp": at(due), "deletionGracePeriodSeconds": 30}
    return raw_pod(conditions=conditions, meta=meta, state=state)


@pytest.mark.parametrize(
    ("pod", "graces", "recheck_after"),
    [
        (raw_pod(), [7], None),
        (dead_pod(), [], None),
        (dead_pod(code=0), [], None),
        # The node answers: it gets the grace, and as long as the user gave lost nodes after that.
        (leaving(due=20), [], 80),
        (leaving(due=-59), [], 1),
        (leaving(due=-60), [0], None),
        (leaving(EVICTED, due=20), [], 80),
        (leaving(TAINTED, due=20), [], 80),
        (leaving(UNREADY, due=-59), [], 1),
        # It does not, and the control plane has waited for it already.
        (leaving(UNREADY, TAINTED, due=28), [], MARGIN_SECONDS - 2),
        (leaving(UNREADY, TAINTED, due=30 - MARGIN_SECONDS), [0], None),
        (leaving(TAINTED, due=30 - MARGIN_SECONDS, state={"waiting": {}}), [0], None),
        (leaving(EVICTED, due=30 - MARGIN_SECONDS, state={"waiting": {}}), [], 85),
    ],
)
def test_a_pod_is_deleted_once_waited_for_and_given_up(
    pod: dict[str, Any], graces: list[int], recheck_after: float | None
) -> None:
    found = farewell([pod_from(pod)], NODE_LOST_SECONDS, NOW, grace_seconds=7)
    assert found.delete == tuple(Deletion("Pod", NAME, UID, grace) for grace in graces)
    assert found.recheck_after == recheck_after


def test_the_next_pod_that_is_due_sets_the_time_of_the_next_look() -> None:
    pods = [pod_from(leaving(due=due)) for due in (5, -10, 0)]
    assert farewell(pods, NODE_LOST_SECONDS, NOW).recheck_after == 50


def test_a_pod_keeps_its_own_grace_where_nothing_else_is_said() -> None:
    assert farewell([pod_from(raw_pod())], NODE_LOST_SECONDS, NOW).delete[0].grace_seconds is None

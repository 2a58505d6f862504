"""What a run that waits for its pods says about them."""

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    condition,
    raw_job,
    raw_pod,
    situation,
    status_after,
    unschedulable_pod,
    waiting_pod,
)
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_operator.decide import decide
from trainingrun_operator.policies.waiting import SETTLE_SECONDS

PAIR = {**COMMAND, "nodes": 2}


class TestWaiting:
    @pytest.mark.parametrize(
        ("pod", "reason", "words"),
        [
            (
                unschedulable_pod("0/2 nodes are available: 2 Insufficient nvidia.com/gpu."),
                Reason.UNSCHEDULABLE,
                "Insufficient nvidia.com/gpu",
            ),
            (
                unschedulable_pod("pod has unbound immediate PersistentVolumeClaims"),
                Reason.VOLUME_UNBOUND,
                "unbound immediate",
            ),
            (unschedulable_pod('persistentvolumeclaim "xray" not found'), Reason.VOLUME_UNBOUND, "xray"),
            (
                unschedulable_pod("2 node(s) had volume node affinity conflict"),
                Reason.VOLUME_UNBOUND,
                "affinity",
            ),
            (waiting_pod(reason="ErrImagePull", message="no such host"), Reason.IMAGE_PULL, "no such host"),
            (
                waiting_pod(reason="ImagePullBackOff", message='Back-off pulling image "x"'),
                Reason.IMAGE_PULL,
                "x",
            ),
            (waiting_pod(reason="InvalidImageName", message="bad"), Reason.IMAGE_PULL, "bad"),
            (
                waiting_pod(reason="CreateContainerConfigError", message="no secret"),
                Reason.CONTAINER_CONFIG,
                "no secret",
            ),
            (waiting_pod(), Reason.PODS_STARTING, "0 of 1 pods run"),
        ],
    )
    def test_the_reason_is_named_in_the_clusters_own_words(
        self, pod: dict[str, object], reason: Reason, words: str
    ) -> None:
        status = status_after(raw_job(), pod)
        assert (status.phase, status.reason) == (Phase.PENDING, reason)
        assert words in (status.message or "")
        assert condition(status, ConditionType.RUNNING).status == "False"

    def test_the_pod_and_its_node_are_named(self) -> None:
        status = status_after(
            raw_job(), raw_pod(0), waiting_pod(1, "ErrImagePull", "gone", node="n2"), spec=PAIR
        )
        assert status.message == "pod chest-1-1-x (index 1) on node n2: ErrImagePull: gone"

    def test_many_pods_in_trouble_are_counted(self) -> None:
        pods = [unschedulable_pod("no room", index) for index in range(3)]
        status = status_after(raw_job(), *pods, spec={**COMMAND, "nodes": 3})
        assert status.message == "pod chest-1-0-x (index 0): no room (2 more pods wait for such a reason)"

    def test_a_trouble_is_news_only_on_a_pod_of_some_seconds(self) -> None:
        plan = decide(situation(raw_job(), unschedulable_pod("not yet bound", created=-1)))
        assert plan.status is not None
        assert plan.status.reason == Reason.PODS_STARTING
        assert plan.requeue_after == SETTLE_SECONDS - 1

    def test_the_error_of_a_pull_outlives_the_back_off(self) -> None:
        known = status_after(raw_job(), waiting_pod(reason="ErrImagePull", message="no such host"))
        plan = decide(
            situation(
                raw_job(), waiting_pod(reason="ImagePullBackOff", message="Back-off pulling"), status=known
            )
        )
        assert plan.status is not None
        assert plan.status.message == known.message

    def test_no_pods_yet(self) -> None:
        status = status_after(raw_job())
        assert (status.reason, status.nodes_ready) == (Reason.AWAITING_PODS, "0/1")

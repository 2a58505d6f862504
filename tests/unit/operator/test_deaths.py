"""Dying before or after any write changes nothing about the end of a run."""

import itertools

import pytest

from tests.unit.operator.lives import EVENTFUL, WHOLE, durable, live
from tests.unit.operator.memory_cluster import MemoryCluster, cluster_with_run


def eventful() -> MemoryCluster:
    """A run whose first attempt fails, whose second is stopped and whose third completes."""
    cluster = cluster_with_run(EVENTFUL)
    cluster.exit_codes, cluster.lost_jobs = {1: 7}, {2}
    return cluster


SHORT = {code: cluster_with_run(WHOLE) for code in (0, 7)}
SHORT_END = {code: live(cluster, code) for code, cluster in SHORT.items()}
LOADED = cluster_with_run(WHOLE)
LOADED_END = live(LOADED, loaded=True)
LONG = eventful()
LONG_END = live(LONG)


def deaths(cluster: MemoryCluster) -> list[tuple[int, str]]:
    """Before and after each of the writes that a run took."""
    return list(itertools.product(range(1, cluster.writes + 1), ("before", "after")))


class TestDeath:
    def test_an_undisturbed_run_takes_few_requests(self) -> None:
        cluster = SHORT[0]
        assert durable(cluster.created) == {
            "PersistentVolumeClaim/chest-checkpoints": 1,
            "Service/chest": 1,
            "Job/chest-1": 1,
        }
        assert [status["phase"] for status in cluster.statuses] == ["Pending", "Running", "Completed"]
        assert cluster.reads == ["trainingruns/chest"]

    def test_under_load_that_pods_are_awaited_is_left_out(self) -> None:
        assert [status["phase"] for status in LOADED.statuses] == ["Running", "Completed"]
        assert durable(LOADED.created) == durable(SHORT[0].created)
        assert SHORT_END[0] == LOADED_END

    def test_a_run_of_three_attempts_takes_few_as_well(self) -> None:
        assert {name for name in durable(LONG.created) if name.startswith("Job")} == {
            "Job/chest-1",
            "Job/chest-2",
            "Job/chest-3",
        }
        assert LONG.deleted == {"Pod/chest-2-0-x": 1, "Pod/chest-2-1-x": 1}
        assert [(status["phase"], status["attempt"]) for status in LONG.statuses] == [
            ("Pending", 1), ("Running", 1), ("Running", 1), ("Pending", 1),
            ("Pending", 2), ("Running", 2), ("Running", 2), ("Pending", 2),
            ("Pending", 3), ("Running", 3), ("Completed", 3),
        ]  # fmt: skip
        assert [
            (record["number"], record["outcome"], record["reason"]) for record in LONG_END["attempts"]
        ] == [
            (1, "Failure", "UserError"),
            (2, "Disruption", "JobLost"),
            (3, "Completed", "Completed"),
        ]
        assert LONG_END["restarts"] == {"failures": 1, "stalls": 0, "disruptions": 1, "total": 2}

    @pytest.mark.parametrize("exit_code", [0, 7])
    @pytest.mark.parametrize(("write", "when"), deaths(SHORT[0]))
    def test_dying_at_any_write_leads_to_the_same_end(self, write: int, when: str, exit_code: int) -> None:
        cluster = cluster_with_run(WHOLE)
        cluster.die_at = {write: when}
        assert live(cluster, exit_code) == SHORT_END[exit_code]
        assert not cluster.die_at, "the process did not die"
        assert durable(cluster.created) == durable(SHORT[0].created)

    @pytest.mark.parametrize("exit_code", [0, 7])
    @pytest.mark.parametrize(("write", "when"), deaths(LOADED))
    def test_so_does_dying_under_load(self, write: int, when: str, exit_code: int) -> None:
        cluster = cluster_with_run(WHOLE)
        cluster.die_at = {write: when}
        assert live(cluster, exit_code, loaded=True) == SHORT_END[exit_code]
        assert not cluster.die_at, "the process did not die"
        assert durable(cluster.created) == durable(SHORT[0].created)

    @pytest.mark.parametrize(("write", "when"), deaths(LONG))
    def test_dying_anywhere_in_three_attempts_does_too(self, write: int, when: str) -> None:
        cluster = eventful()
        cluster.die_at = {write: when}
        assert live(cluster) == LONG_END
        assert not cluster.die_at, "the process did not die"
        assert (durable(cluster.created), cluster.deleted) == (durable(LONG.created), LONG.deleted)

    @pytest.mark.parametrize("first", deaths(LONG))
    def test_so_does_dying_twice(self, first: tuple[int, str]) -> None:
        """The second time soon after the first: a few writes later nothing tells that there was one."""
        for second in deaths(LONG):
            if 0 < second[0] - first[0] <= 4:
                cluster = eventful()
                cluster.die_at = dict([first, second])
                assert live(cluster) == LONG_END
                assert (durable(cluster.created), cluster.deleted) == (durable(LONG.created), LONG.deleted)

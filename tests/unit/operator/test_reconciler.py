"""One step of a run: what is read, created, written and told."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NAME,
    NOW,
    UID,
    raw_job,
    raw_pod,
    raw_run,
    started,
)
from tests.unit.operator.lives import EVENTFUL, PROGRESS_SECONDS, WHOLE, Clock, durable, live, reconciler
from tests.unit.operator.memory_cluster import MemoryCluster, cluster_with_run
from trainingrun_api import names
from trainingrun_operator.errors import RefusedError, UnavailableError
from trainingrun_operator.observed import Raw
from trainingrun_operator.reconciler import LOADED_SECONDS, LOOK_AGAIN_SECONDS, OUTDATED_SECONDS
from trainingrun_operator.scrape import Scrape


class TestIndexLag:
    def test_an_index_from_before_our_own_write_causes_no_second_one(self) -> None:
        cluster = cluster_with_run(COMMAND)
        before = cluster.view()
        operator = reconciler(cluster)
        operator.reconcile(before)
        writes = cluster.writes
        operator.reconcile(before)
        assert cluster.writes == writes

    def test_versions_are_remembered_only_until_the_index_has_caught_up(self) -> None:
        cluster, clock = cluster_with_run(COMMAND), Clock()
        operator = reconciler(cluster, clock)
        for second in range(0, 100, PROGRESS_SECONDS):
            clock.now = NOW + timedelta(seconds=second)
            operator.reconcile(cluster.view(), Scrape(at=clock.now, epoch=second))
            if second < 20:
                cluster.step(nodes=1, exit_code=0)
        assert len(cluster.statuses) > 5
        assert len(operator._written[UID].outdated) == 1

    def test_after_a_restart_an_outdated_index_cannot_start_a_finished_run_again(self) -> None:
        cluster = cluster_with_run(COMMAND)
        before = cluster.view()
        live(cluster)
        del cluster.objects["Job", "chest-1"]
        created, statuses = cluster.created.copy(), len(cluster.statuses)
        reconciler(cluster).reconcile(before)
        assert (cluster.created, len(cluster.statuses)) == (created, statuses)

    def test_after_a_restart_an_outdated_index_cannot_overwrite_a_newer_status(self) -> None:
        cluster = cluster_with_run(COMMAND)
        operator = reconciler(cluster)
        operator.reconcile(cluster.view())
        pending = cluster.view().run
        truth = live(cluster)
        outdated = replace(cluster.view(), run=pending)
        outcome = reconciler(cluster).reconcile(outdated)
        assert outcome.requeue_after == OUTDATED_SECONDS
        assert cluster.objects[names.KIND, NAME]["status"] == truth

    def test_a_run_that_only_the_index_still_has_gets_nothing(self) -> None:
        cluster = cluster_with_run(COMMAND)
        ghost = cluster.view()
        cluster.objects.clear()
        reconciler(cluster).reconcile(ghost)
        assert not cluster.created

    def test_nor_does_one_that_was_deleted_and_created_anew(self) -> None:
        cluster = cluster_with_run(COMMAND)
        ghost = cluster.view()
        cluster.put(raw_run(uid="another"))
        reconciler(cluster).reconcile(ghost)
        assert not cluster.created

    def test_a_job_that_the_index_lost_is_looked_up_and_followed(self) -> None:
        cluster = cluster_with_run(COMMAND, started().to_wire())
        cluster.put(raw_job("Complete"))
        outcome = reconciler(cluster).reconcile(replace(cluster.view(), jobs=()))
        assert outcome.status.phase == "Completed"

    def test_a_deleted_job_ends_its_attempt_and_is_not_created_again(self) -> None:
        cluster = cluster_with_run(COMMAND, started().to_wire())
        operator = reconciler(cluster)
        outcome = operator.reconcile(cluster.view())
        assert [record.reason for record in outcome.status.attempts or ()] == ["JobLost"]
        assert operator.reconcile(cluster.view()).status.attempt == 2
        assert durable(cluster.created) == {"Job/chest-2": 1}


class TestAttempts:
    def failed_once(self) -> MemoryCluster:
        """A run whose first attempt failed; the next one may start."""
        cluster = cluster_with_run(EVENTFUL)
        operator = reconciler(cluster)
        while not (cluster.statuses and cluster.statuses[-1].get("attempts")):
            operator.reconcile(cluster.view())
            cluster.step(nodes=2, exit_code=7)
        return cluster

    def test_pods_that_the_index_missed_hold_the_next_attempt(self) -> None:
        cluster = self.failed_once()
        blind = cluster.view()
        cluster.put(raw_pod(0, meta={"name": "straggler", "uid": "straggler"}))
        outcome = reconciler(cluster).reconcile(blind)
        assert (outcome.status.reason, outcome.status.attempt) == ("EndingPods", 1)
        assert cluster.deleted == {"Pod/straggler": 1}
        assert reconciler(cluster).reconcile(cluster.view()).status.attempt == 2

    def test_nothing_is_deleted_where_the_status_cannot_be_written(self) -> None:
        cluster = self.failed_once()
        cluster.put(raw_pod(0, meta={"name": "straggler", "uid": "straggler"}))
        outdated = cluster.view()
        run = cluster.objects[names.KIND, NAME]
        cluster.put({**run, "status": {**run["status"], "nodesReady": "7/7"}})
        outcome = reconciler(cluster).reconcile(outdated)
        assert (outcome.requeue_after, cluster.deleted) == (OUTDATED_SECONDS, {})

    def test_a_run_that_failed_for_good_is_left_alone(self) -> None:
        cluster = self.failed_once()
        live(cluster, exit_code=7)
        reads, writes = len(cluster.reads), cluster.writes
        reconciler(cluster).reconcile(cluster.view())
        assert (len(cluster.reads), cluster.writes) == (reads, writes)


def existing(kind: str, name: str, **meta: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, **meta}}


class TestNames:
    @pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "Service", "Job"])
    def test_an_object_of_somebody_else_is_not_touched(self, kind: str) -> None:
        cluster = cluster_with_run(WHOLE)
        name = {"PersistentVolumeClaim": "chest-checkpoints", "Service": "chest", "Job": "chest-1"}[kind]
        labels = {names.RUN_LABEL: "other", names.ATTEMPT_LABEL: "1"}
        foreign = cluster.put(existing(kind, name, uid="foreign", labels=labels))
        status = reconciler(cluster).reconcile(cluster.view()).status
        assert (status.phase, status.reason) == ("Failed", "NameConflict")
        assert f"{kind} {name}" in (status.message or "")
        assert cluster.objects[kind, name] == foreign

    def test_a_claim_kept_from_an_earlier_run_is_used(self) -> None:
        cluster = cluster_with_run(WHOLE)
        cluster.put(existing("PersistentVolumeClaim", "chest-checkpoints", labels={names.RUN_LABEL: NAME}))
        assert reconciler(cluster).reconcile(cluster.view()).status.reason == "AwaitingPods"
        assert durable(cluster.created) == {"Service/chest": 1, "Job/chest-1": 1}

    def test_the_removal_of_an_earlier_runs_job_is_waited_for(self) -> None:
        cluster = cluster_with_run(COMMAND)
        cluster.put(raw_job("Complete", owner_uid="earlier", uid="earlier-job"))
        operator = reconciler(cluster)
        outcome = operator.reconcile(cluster.view())
        assert (outcome.status.phase, outcome.status.reason) == ("Pending", "Creating")
        assert outcome.requeue_after
        del cluster.objects["Job", "chest-1"]
        assert operator.reconcile(cluster.view()).status.reason == "AwaitingPods"
        assert cluster.created["Job/chest-1"] == 1


class RefusingCluster(MemoryCluster):
    """Refuses to create one kind."""

    refused = ""
    error: Exception = RefusedError(403, "exceeded quota: team")

    def create(self, manifest: Raw) -> dict[str, Any]:
        if manifest["kind"] == self.refused:
            raise self.error
        return super().create(manifest)


class TestRefusals:
    def test_a_quota_makes_the_run_wait_until_it_has_room(self) -> None:
        cluster = RefusingCluster()
        cluster.put(raw_run())
        cluster.refused = "Job"
        operator = reconciler(cluster)
        outcome = operator.reconcile(cluster.view())
        assert (outcome.status.phase, outcome.status.reason) == ("Pending", "Rejected")
        assert outcome.status.message == "exceeded quota: team"
        cluster.refused = ""
        assert operator.reconcile(cluster.view()).status.reason == "AwaitingPods"

    def test_an_api_server_that_is_away_changes_nothing(self) -> None:
        cluster = RefusingCluster()
        cluster.put(raw_run())
        cluster.refused, cluster.error = "Job", UnavailableError("no answer")
        with pytest.raises(UnavailableError):
            reconciler(cluster).reconcile(cluster.view())
        assert cluster.statuses == []

    def test_news_that_cannot_be_posted_is_lost_and_nothing_else(self) -> None:
        cluster = RefusingCluster()
        cluster.put(raw_run())
        cluster.refused = "Event"
        assert live_single(cluster)["phase"] == "Completed"


def live_single(cluster: MemoryCluster) -> Mapping[str, Any]:
    operator = reconciler(cluster)
    for _ in range(8):
        operator.reconcile(cluster.view())
        cluster.step(nodes=1, exit_code=0)
    status: dict[str, Any] = cluster.objects[names.KIND, NAME]["status"]
    return status


class TestQuiet:
    def test_live_numbers_are_written_at_most_every_progress_interval(self) -> None:
        cluster, clock = cluster_with_run(COMMAND), Clock()
        operator = reconciler(cluster, clock)
        for _ in range(4):
            operator.reconcile(cluster.view())
            if (
                "Pod" not in {kind for kind, _ in cluster.objects}
                or cluster.statuses[-1]["phase"] == "Pending"
            ):
                cluster.step(nodes=1, exit_code=0)
        assert [status["phase"] for status in cluster.statuses] == ["Pending", "Running"]
        for second in range(25):
            clock.now = NOW + timedelta(seconds=second)
            scrape = Scrape(at=clock.now, epoch=second, epochs_planned=100)
            outcome = operator.reconcile(cluster.view(), scrape)
            assert (outcome.requeue_after is None) == (second in (10, 20))
        assert [status["progress"]["epoch"] for status in cluster.statuses[2:]] == [10, 20]

    def test_pods_on_their_way_are_told_only_where_they_take_long(self) -> None:
        cluster, clock = cluster_with_run(COMMAND), Clock()
        operator = reconciler(cluster, clock)
        operator.reconcile(cluster.view())
        first = len(cluster.statuses)
        clock.now = NOW + timedelta(seconds=60)
        cluster.step(nodes=1, exit_code=0)
        outcome = operator.reconcile(cluster.view())
        assert (len(cluster.statuses), outcome.requeue_after) == (first, PROGRESS_SECONDS)
        clock.now += timedelta(seconds=PROGRESS_SECONDS)
        operator.reconcile(cluster.view())
        assert cluster.statuses[-1]["reason"] == "PodsStarting"

    def test_under_load_a_new_run_is_told_of_with_its_pods_or_after_half_a_minute(self) -> None:
        cluster, clock = cluster_with_run(COMMAND), Clock()
        operator = reconciler(cluster, clock)
        outcome = operator.reconcile(cluster.view(), loaded=True)
        assert (cluster.statuses, outcome.requeue_after) == ([], LOOK_AGAIN_SECONDS)
        clock.now = NOW + timedelta(seconds=LOADED_SECONDS - 1)
        cluster.step(nodes=1, exit_code=0)
        assert operator.reconcile(cluster.view(), loaded=True).requeue_after == 1
        clock.now = NOW + timedelta(seconds=LOADED_SECONDS)
        operator.reconcile(cluster.view(), loaded=True)
        assert [status["reason"] for status in cluster.statuses] == ["PodsStarting"]

    def test_it_is_told_of_at_once_where_the_load_has_passed(self) -> None:
        cluster = cluster_with_run(COMMAND)
        operator = reconciler(cluster)
        operator.reconcile(cluster.view(), loaded=True)
        operator.reconcile(cluster.view())
        assert [status["reason"] for status in cluster.statuses] == ["AwaitingPods"]

    def test_a_run_that_waits_for_more_than_its_pods_is_told_of_under_load(self) -> None:
        cluster = RefusingCluster()
        cluster.put(raw_run())
        cluster.refused = "Job"
        assert reconciler(cluster).reconcile(cluster.view(), loaded=True).status.reason == "Rejected"

    def test_an_ended_run_causes_no_request(self) -> None:
        cluster = cluster_with_run(COMMAND)
        live_single(cluster)
        reads, writes = len(cluster.reads), cluster.writes
        reconciler(cluster).reconcile(cluster.view())
        assert (len(cluster.reads), cluster.writes) == (reads, writes)

    def test_start_and_end_are_told_once(self) -> None:
        cluster = cluster_with_run(COMMAND)
        live_single(cluster)
        news = [found for (kind, _), found in cluster.objects.items() if kind == "Event"]
        assert [(event["reason"], event["type"], event["regarding"]["uid"]) for event in news] == [
            ("Started", "Normal", UID),
            ("Completed", "Normal", UID),
        ]


class TestSpecOfAnotherVersion:
    SPEC: Mapping[str, Any] = {**COMMAND, "resources": {"gpus": "many"}, "warp": 9}

    def test_a_run_whose_spec_cannot_be_read_waits_and_names_the_field(self) -> None:
        cluster = cluster_with_run(self.SPEC)
        outcome = reconciler(cluster).reconcile(cluster.view())
        assert (outcome.status.phase, outcome.status.reason) == ("Pending", "Rejected")
        assert "spec.resources.gpus: Input should be a valid integer" in (outcome.status.message or "")
        assert "spec.warp: Extra inputs are not permitted (found 9)" in (outcome.status.message or "")
        assert (outcome.requeue_after, durable(cluster.created)) == (None, {})

    def test_it_starts_under_an_operator_that_can_read_it(self) -> None:
        """In an upgrade the definition is the first to be new, and its defaults are in every run at once."""
        cluster = cluster_with_run(self.SPEC)
        reconciler(cluster).reconcile(cluster.view())
        cluster.put(raw_run(COMMAND, cluster.statuses[-1]))
        outcome = reconciler(cluster).reconcile(cluster.view())
        assert (outcome.status.phase, outcome.status.reason) == ("Pending", "AwaitingPods")
        assert durable(cluster.created) == {f"Job/{NAME}-1": 1}

    @pytest.mark.parametrize(
        "status", [started().to_wire(), {"phase": "Completed"}, {"phase": "Failed", "attempt": 1}]
    )
    def test_one_that_another_operator_started_or_ended_is_left_as_it_is(self, status: Raw) -> None:
        cluster = cluster_with_run(self.SPEC, status)
        assert reconciler(cluster).reconcile(cluster.view()).requeue_after is None
        assert (cluster.statuses, cluster.reads) == ([], [])


def test_a_status_of_a_newer_operator_is_understood() -> None:
    cluster = cluster_with_run(COMMAND, {**started().to_wire(), "restarts": {"failures": 1}})
    cluster.put(raw_job("Complete"))
    assert reconciler(cluster).reconcile(cluster.view()).status.phase == "Completed"


def test_forgetting_a_run_forgets_its_writes() -> None:
    cluster = cluster_with_run(COMMAND)
    before = cluster.view()
    operator = reconciler(cluster)
    operator.reconcile(before)
    operator.forget(UID)
    reads = len(cluster.reads)
    operator.reconcile(before)
    assert len(cluster.reads) == reads + 1


class TestRest:
    """After a write, whether the run as it stands needs another look when the watch shows it."""

    def test_where_a_run_rests_another_look_does_nothing(self) -> None:
        cluster = cluster_with_run(COMMAND)
        operator = reconciler(cluster)
        rested = []
        for _ in range(8):
            outcome = operator.reconcile(cluster.view())
            if outcome.run and operator.rests(outcome.run):
                rested.append(outcome.status.phase)
                writes = cluster.writes
                again = operator.reconcile(cluster.view())
                assert cluster.writes == writes
                never = float("inf")
                assert (outcome.requeue_after or never) <= (again.requeue_after or never)
            cluster.step(nodes=1, exit_code=0)
        assert rested == ["Pending", "Running", "Completed"]

    def test_one_that_somebody_else_has_written_since_is_news(self) -> None:
        cluster = cluster_with_run(COMMAND)
        operator = reconciler(cluster)
        written = None
        while written is None or written.status["phase"] != "Running":
            written = operator.reconcile(cluster.view()).run
            cluster.step(nodes=1, exit_code=0)
        assert operator.rests(written)
        assert not operator.rests(replace(written, resource_version="later"))
        assert not reconciler(cluster).rests(written)

    def test_an_ended_run_is_forgotten_once_the_watch_shows_it(self) -> None:
        cluster = cluster_with_run(COMMAND)
        operator = reconciler(cluster)
        written = None
        while written is None or not written.over:
            written = operator.reconcile(cluster.view()).run
            cluster.step(nodes=1, exit_code=0)
        assert UID in operator._written
        assert operator.rests(written)
        assert UID not in operator._written

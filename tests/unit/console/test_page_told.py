"""What a page says of a run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Artifact, Run
from trainingrun_console.page import told
from trainingrun_console.page.told import Told

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FAILURE = {
    "attempt": 2,
    "pod": "chest-2-0",
    "node": "node-b",
    "rank": 0,
    "exitCode": 137,
    "reason": "OOMKilled",
    "message": "64Gi were not enough",
    "advice": "raise resources.memory",
}


def of(phase: Phase, status: dict[str, Any] | None = None, **more: Any) -> Told:
    run = Run(
        run_id="chest-0a1b2c3d",
        namespace="radiology",
        name="chest",
        uid="0a1b2c3d",
        created_at=NOW - timedelta(hours=1),
        phase=phase,
        **{"object": {"status": status or {}, "spec": more.pop("spec", {})}, **more},
    )
    return Told(run, NOW)


def test_a_failed_run_says_why_where_and_what_to_do() -> None:
    failed = of(Phase.FAILED, {"lastFailure": FAILURE}, reason="OOMKilled", message="attempt 2 failed")
    assert failed.why == "64Gi were not enough"
    assert failed.where == "pod chest-2-0, node node-b, rank 0, exit code 137"
    assert failed.advice == "raise resources.memory"
    assert failed.can_retry


def test_a_pending_run_says_what_it_waits_for() -> None:
    waiting = of(Phase.PENDING, {"waitingFor": "other"}, reason="WaitingForProject", project="chest")
    assert waiting.why == "waits for other, which is active in the project chest"
    assert waiting.advice == ""
    stuck = of(Phase.PENDING, reason="Unschedulable", message="0/3 nodes are available")
    assert stuck.why == "0/3 nodes are available"
    assert "nodes" in stuck.advice
    assert "annotation" not in stuck.advice


def test_a_run_in_a_list_comes_without_its_object() -> None:
    bare = of(Phase.PENDING, object={}, reason="Suspended", message="suspended at step 280")
    assert (bare.phase, bare.why, bare.advice) == ("Suspended", "", "")
    assert of(Phase.FAILED, object={}, reason="BadData", message="no images").why == "no images"


def test_a_status_of_another_version_is_left_out() -> None:
    assert of(Phase.RUNNING, {"progress": "soon"}).status.progress is None


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.RUNNING])
def test_where_all_is_well_nothing_is_explained(phase: Phase) -> None:
    assert of(phase, reason="PodsRunning", message="all pods run").why == ""


def test_a_deleted_run_can_only_be_looked_at() -> None:
    gone = of(Phase.FAILED, {"lastFailure": FAILURE}, deleted_at=NOW)
    assert [gone.can_retry, gone.can_suspend, gone.can_resume, gone.advice] == [False, False, False, ""]


@pytest.mark.parametrize(
    ("suspend", "phase", "can"),
    [
        (False, Phase.RUNNING, "suspend"),
        (True, Phase.PENDING, "resume"),
        (False, Phase.PENDING, "suspend"),
        (False, Phase.COMPLETED, ""),
        (True, Phase.COMPLETED, ""),
    ],
)
def test_a_run_can_be_suspended_or_resumed_never_both(suspend: bool, phase: Phase, can: str) -> None:
    run = of(phase, spec={"suspend": suspend})
    assert [run.can_suspend, run.can_resume] == [can == "suspend", can == "resume"]


def test_times_are_told_for_one_moment() -> None:
    run = of(
        Phase.RUNNING,
        started_at=NOW - timedelta(minutes=10),
        estimated_completion_time=NOW + timedelta(seconds=250),
        epoch=3,
        total_epochs=20,
    )
    assert (run.took, run.eta, run.epochs) == ("10m00s", "4m10s", "3/20")
    assert [run.ago(NOW - timedelta(seconds=each)) for each in (5, 130, 7500)] == ["5s", "2m", "2h05m"]
    assert run.ago(None) == ""


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([], ""),
        ([1.0], ""),
        ([float("nan"), 1.0], ""),
        ([0.0, 1.0], "2.0,22.0 94.0,2.0"),
        ([1.0, 0.0, 1.0], "2.0,2.0 48.0,22.0 94.0,2.0"),
        ([0.5, 0.5], "2.0,12.0 94.0,12.0"),
        ([0.0, float("inf"), 1.0], "2.0,22.0 94.0,2.0"),
    ],
)
def test_a_sparkline_fills_its_box_and_knows_no_infinity(values: list[float], points: str) -> None:
    assert told.sparkline(values) == points


def test_a_sparkline_has_words() -> None:
    assert told.trend([0.5, 0.7, 0.6]) == "from 0.5 to 0.6, 1 of 2 steps upwards"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (98_304_000, "93.8 MiB"), (2**50, "1024.0 TiB")],
)
def test_sizes_have_a_unit_that_suits_them(count: int, text: str) -> None:
    assert told.size(count) == text


def test_pictures_are_the_images_of_a_folder() -> None:
    files = [Artifact("samples/1.png", 1), Artifact("samples/1.json", 1), Artifact("plots/loss.png", 1)]
    assert told.pictures(files, "samples") == [files[0]]

"""The story says what somebody wants to know, in each state that a run can be in."""

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from trainingrun_client.cli.compare import differences, outcomes
from trainingrun_client.cli.story import chosen, story
from trainingrun_client.cli.watch import in_a_line
from trainingrun_client.run import TrainingRun, TrainingRuns

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
BEGAN, ENDED = "2026-01-02T11:30:00Z", "2026-01-02T11:55:00Z"


def run(status: dict[str, Any], spec: dict[str, Any] | None = None, name: str = "chest") -> TrainingRun:
    meta = {"name": name, "namespace": "xray", "uid": "1", "creationTimestamp": "2026-01-02T11:00:00Z"}
    return TrainingRun(
        {"metadata": meta, "spec": {"resources": {"gpus": 2}, "nodes": 1, **(spec or {})}, "status": status}
    )


def condition(kind: str, status: str) -> dict[str, str]:
    return {"type": kind, "status": status, "lastTransitionTime": BEGAN, "reason": "X"}


FAILURE = {
    "attempt": 2, "pod": "chest-2-0", "node": "n1", "rank": 0, "exitCode": 137, "reason": "OOMKilled",
    "message": "killed", "advice": "raise resources.memory",
}  # fmt: skip
RECORD = {
    "number": 1, "outcome": "Failure", "reason": "OOMKilled", "node": "n1", "durationSeconds": 90,
    "fromStep": 0, "toStep": 120, "lostSteps": 20, "endTime": ENDED,
}  # fmt: skip
STORIES: dict[str, tuple[TrainingRun, dict[str, str]]] = {
    "not seen yet": (
        run({}, {"command": ["python", "train.py"]}),
        {
            "Run": "xray/chest, created 1h00m ago",
            "Trains": "python train.py on 1 node with 2 GPUs each",
            "Phase": "Pending",
            "Next": "kubectl trainingrun wait chest -n xray; if it does not move: kubectl trainingrun doctor",
        },
    ),
    "no node for it": (
        run({"phase": "Pending", "reason": "Unschedulable", "message": "0/3 nodes are available"}),
        {
            "Why": "Unschedulable: 0/3 nodes are available",
            "Advice": "free or add nodes with what the pods request",
        },
    ),
    "behind another of its project": (
        run({"phase": "Pending", "reason": "WaitingForProject", "waitingFor": "lung"}, {"project": "p"}),
        {"Waits for": "lung, which is active in the project p"},
    ),
    "it trains": (
        run({
            "phase": "Running", "startTime": BEGAN, "attempt": 1,
            "progress": {"percent": 25, "trainerPhase": "validating", "samplesPerSecond": "81.5"},
            "columns": {"epoch": "12/50", "eta": "4m10s"},
            "metrics": [{"name": "val_auroc", "value": "0.93"}, {"name": "val_loss", "value": "0.4"}],
            "best": {"name": "val_auroc", "value": "0.94", "epoch": 11},
            "checkpoint": {"step": 120, "epoch": 11, "time": ENDED},
        }),
        {
            "Phase": "Running, started 30m00s ago",
            "Progress": f"{'━' * 8}{'─' * 24} 25%  epoch 12/50  ETA 4m10s  validating  82 images/s",
            "Metrics": "val_auroc 0.93 (best 0.94 in epoch 11)",
            "Checkpoint": "step 120, epoch 11, 5m00s ago",
            "Next": "kubectl trainingrun watch chest -n xray",
        },
    ),
    "it goes on after a failure": (
        run({
            "phase": "Running", "attempt": 2, "attempts": [RECORD], "lastFailure": FAILURE,
            "restarts": {"failures": 1, "disruptions": 2, "total": 3},
        }),
        {
            "Attempt": "2, after 1 failure, 2 disruptions",
            "Last failure": "attempt 2, OOMKilled: killed (pod chest-2-0, node n1, rank 0, exit code 137)",
            "Advice": "raise resources.memory",
        },
    ),
    "somebody suspended it": (
        run({"phase": "Pending", "reason": "Suspended", "conditions": [condition("Suspended", "True")]}),
        {"Phase": "Suspended", "Next": "kubectl trainingrun resume chest -n xray"},
    ),
    "it failed": (
        run({"phase": "Failed", "completionTime": ENDED, "reason": "BadData", "message": "row 7"}),
        {
            "Phase": "Failed, 5m00s ago",
            "Next": "kubectl trainingrun logs chest -n xray --tail 30; "
            "then kubectl trainingrun retry chest -n xray",
        },
    ),
    "it is done": (
        run({
            "phase": "Completed", "completionTime": ENDED, "goodput": "0.93", "lastFailure": FAILURE,
            "checkpointClaim": "c", "runDirectory": "/checkpoints/chest-1",
        }),
        {
            "Results": "/checkpoints/chest-1 in the claim c",
            "Goodput": "93% of the time since the start is in the result",
            "Next": "kubectl trainingrun artifacts get chest -n xray",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), STORIES.values(), ids=STORIES)
def test_story(told: TrainingRun, expected: dict[str, str]) -> None:
    rows = {label: str(text) for label, text in story(told, [], NOW) if label}
    assert {label: rows.get(label) for label in expected} == expected


def test_attempts_that_ended_follow_the_present_one() -> None:
    rows = [
        str(text) for label, text in story(STORIES["it goes on after a failure"][0], [], NOW) if not label
    ]
    assert rows == ["#1 Failure: OOMKilled, on n1, after 1m30s, steps 0 to 120, 20 of them lost, 5m00s ago"]


def test_a_completed_run_does_not_speak_of_old_failures() -> None:
    assert "Last failure" not in dict(story(STORIES["it is done"][0], [], NOW))


def test_curves_stand_beside_their_metric() -> None:
    epochs = [{"epoch": number, "val_auroc": number / 10} for number in (1, 2, 3)]
    rows = dict(story(STORIES["it trains"][0], epochs, NOW))
    assert str(rows["Metrics"]).endswith("in epoch 11)  ▁▅█")


def test_the_monitored_metric_comes_first_and_classes_not_at_all() -> None:
    names = ["val_loss", "val_recall_class_a", "test_accuracy", "val_recall", "train_loss"]
    assert chosen(names, "val_recall") == ["val_recall", "val_loss", "train_loss", "test_accuracy"]


def test_a_line_of_a_pipe_says_why_it_waits() -> None:
    assert in_a_line(run({})) == "chest  Pending"
    assert in_a_line(STORIES["it failed"][0]) == "chest  Failed  BadData: row 7"


def test_only_what_differs_is_compared() -> None:
    specs = [
        {"nodes": 1, "suspend": True, "training": {"loss": {"name": "a"}, "maxEpochs": 3}},
        {"nodes": 1, "training": {"maxEpochs": 5}},
    ]
    assert differences(specs) == [("training.loss.name", ["a", ""]), ("training.maxEpochs", ["3", "5"])]
    rows = dict(outcomes([STORIES["it trains"][0], STORIES["it failed"][0]], ["val_loss"]))
    assert rows["phase"] == ["Running", "Failed"]
    assert rows["val_loss"] == ["0.4", ""]
    assert "goodput" not in rows


def test_a_retry_that_the_operator_has_not_seen_is_no_end() -> None:
    failed = run({"phase": "Failed", "retried": "old"})
    assert failed.finished
    asked = {**failed.raw["metadata"], "annotations": {"trainingrun.dev/retry": "new"}}
    assert not TrainingRun({**failed.raw, "metadata": asked}).finished


def test_a_run_without_results_is_not_offered_any() -> None:
    done = run({"phase": "Completed"}, {"command": ["sh", "-c", "one\ntwo"]})
    rows = {label: str(text) for label, text in story(done, [], NOW)}
    assert rows["Next"] == "kubectl trainingrun logs chest -n xray"
    assert rows["Trains"] == "sh -c one ... on 1 node with 2 GPUs each"


def test_a_run_is_short_in_a_notebook_and_can_be_kept() -> None:
    done = run({"phase": "Completed"})
    assert repr(done) == "TrainingRun(xray/chest: Completed)"
    assert pickle.loads(pickle.dumps(done)) == done
    assert len({done, run({"phase": "Completed"})}) == 1


def test_notebooks_get_text_that_cannot_break_out() -> None:
    evil = run({"phase": "Failed", "reason": "X", "message": "<script>alert(1)</script>"}, name="<b>")
    shown = evil._repr_html_() + TrainingRuns([evil])._repr_html_()
    assert "<script>" not in shown
    assert "<b>" not in shown

"""What people can do with a run after they created it, and the times that they set, on the real cluster."""

import json
from typing import Any

import pytest

from tests.helpers.operator_process import Operator
from tests.helpers.runs import Object, Runs, manifest
from trainingrun_api import names

pytestmark = pytest.mark.cluster

GRACEFUL = 'trap "exit 143" TERM; sleep 600 & wait'
"""Ends on SIGTERM as the trainer does after a checkpoint."""
WAIT = 90


def shell(image: str, script: str, **spec: Any) -> Object:
    """A run of a shell script; a shell that sets no trap ignores SIGTERM and is given a second to end."""
    pod = {"terminationGracePeriodSeconds": 1}
    return {"image": image, "resources": {"gpus": 0}, "command": ["sh", "-c", script], "pod": pod, **spec}


def patch(runs: Runs, run: str, **spec: Any) -> None:
    runs.kubectl("patch", names.PLURAL, run, "--type=merge", "-p", json.dumps({"spec": spec}))


def ask_for_retry(runs: Runs, run: str, text: str) -> None:
    runs.kubectl("annotate", "--overwrite", names.PLURAL, run, f"{names.RETRY_ANNOTATION}={text}")


def conditions(status: Object) -> dict[str, str]:
    """The status of each condition."""
    return {condition["type"]: condition["status"] for condition in status.get("conditions") or ()}


def wait_for(runs: Runs, run: str, condition: str, value: str) -> Object:
    def holds(status: Object) -> bool:
        return conditions(status).get(condition) == value

    return runs.wait_until(run, holds, f"{condition} {value}", seconds=WAIT)


def living_pods(runs: Runs, run: str) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in runs.children(run)["pods"]
        if pod["status"]["phase"] not in ("Succeeded", "Failed")
    ]


def test_a_run_is_suspended_and_resumed(runs: Runs, operator: Operator, image: str) -> None:
    script = f'[ "$TRAININGRUN_ATTEMPT" = 2 ] || {{ {GRACEFUL}; }}'
    pod = {"terminationGracePeriodSeconds": 30}
    runs.apply(manifest("rest", shell(image, script, nodes=2, pod=pod)))
    runs.wait("rest", "Running", seconds=WAIT)
    patch(runs, "rest", suspend=True)
    status = wait_for(runs, "rest", "Suspended", "True")
    assert (status["phase"], status["reason"]) == ("Pending", "Suspended")
    assert conditions(status)["Running"] == "False"
    assert living_pods(runs, "rest") == []
    (record,) = status["attempts"]
    assert (record["number"], record["outcome"], record["reason"]) == (1, "Suspension", "Suspended")
    assert record["durationSeconds"] < 30, "the program was killed at the end of its grace period"
    patch(runs, "rest", suspend=False)
    status = runs.wait("rest", "Completed", "Failed", seconds=WAIT)
    assert status["phase"] == "Completed", status
    assert status["attempt"] == 2
    assert status["restarts"]["total"] == 0
    assert conditions(status)["Suspended"] == "False"


def test_a_run_that_is_created_suspended_starts_when_it_is_resumed(
    runs: Runs, operator: Operator, image: str
) -> None:
    runs.apply(manifest("later", shell(image, "true", suspend=True, checkpoints={"size": "10Mi"})))
    status = wait_for(runs, "later", "Suspended", "True")
    assert "attempt" not in status
    assert {kind: len(found) for kind, found in runs.children("later").items() if found} == {}
    patch(runs, "later", suspend=False)
    assert runs.wait("later", "Completed", seconds=WAIT)["attempt"] == 1


def test_a_run_is_deleted_after_its_time_with_all_but_its_claim(
    runs: Runs, operator: Operator, image: str
) -> None:
    spec = shell(image, "true", checkpoints={"size": "10Mi"}, ttlSecondsAfterFinished=3600)
    runs.apply(manifest("gone", spec), manifest("kept", spec))
    for run in ("gone", "kept"):
        runs.wait(run, "Completed", seconds=WAIT)
    patch(runs, "gone", ttlSecondsAfterFinished=0)
    runs.kubectl("wait", names.PLURAL, "gone", "--for=delete", f"--timeout={WAIT}s")
    for kind in ("job", "pod"):
        runs.kubectl("wait", kind, "-l", f"{names.RUN_LABEL}=gone", "--for=delete", f"--timeout={WAIT}s")
    assert len(runs.children("gone")["persistentvolumeclaims"]) == 1
    assert runs.status("kept")["phase"] == "Completed"


def test_a_run_that_does_not_start_in_time_fails_with_what_its_pods_wait_for(
    runs: Runs, operator: Operator, image: str
) -> None:
    late = {"image": "registry.invalid/none:1", "deadlines": {"startupSeconds": 12}}
    runs.apply(manifest("late", {**shell(image, "true", nodes=2), **late}))
    status = runs.wait("late", "Failed", "Completed", seconds=WAIT)
    assert (status["phase"], status["reason"]) == ("Failed", "ImagePull")
    assert "registry.invalid/none:1" in status["message"]
    assert "deadlines.startupSeconds" in status["message"]
    assert [record["outcome"] for record in status["attempts"]] == ["Fatal"]
    assert living_pods(runs, "late") == []


def test_a_run_that_has_had_its_time_is_stopped_gently_and_may_be_given_more(
    runs: Runs, operator: Operator, image: str
) -> None:
    script = f'[ "$TRAININGRUN_ATTEMPT" = 2 ] || {{ {GRACEFUL}; }}'
    pod = {"terminationGracePeriodSeconds": 30}
    runs.apply(manifest("long", shell(image, script, pod=pod, deadlines={"activeSeconds": 8})))
    status = runs.wait("long", "Failed", "Completed", seconds=WAIT)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert "deadlines.activeSeconds" in status["message"]
    assert 8 <= status["attempts"][0]["durationSeconds"] < 38, "it was killed, or never stopped"
    ask_for_retry(runs, "long", "more")
    status = runs.wait("long", "Completed", seconds=WAIT)
    assert status["attempt"] == 2


def test_a_failed_run_is_started_anew_by_a_new_text_and_by_no_old_one(
    runs: Runs, operator: Operator, image: str
) -> None:
    run = manifest("again", shell(image, '[ "$TRAININGRUN_ATTEMPT" = 2 ]', restart={"maxFailures": 0}))
    run["metadata"]["annotations"] = {names.RETRY_ANNOTATION: "set at creation"}
    runs.apply(run)
    status = runs.wait("again", "Failed", "Completed", seconds=WAIT)
    assert (status["phase"], status["attempt"], status["retried"]) == ("Failed", 1, "set at creation")
    ask_for_retry(runs, "again", "the data is there now")
    status = runs.wait("again", "Completed", seconds=WAIT)
    assert (status["attempt"], status["retried"]) == (2, "the data is there now")
    assert [record["outcome"] for record in status["attempts"]] == ["Failure", "Completed"]
    ask_for_retry(runs, "again", "once more")
    runs.apply(manifest("witness", shell(image, "true")))
    runs.wait("witness", "Completed", seconds=WAIT)
    assert runs.status("again")["phase"] == "Completed"

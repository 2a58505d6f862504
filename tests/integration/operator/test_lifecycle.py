"""A run from its creation to its end, on the real cluster, with the operator as a process beside it."""

import json
import signal
import urllib.request
from typing import Any

import pytest

from tests.cluster.shell import wait_until
from tests.helpers.audit import AuditMark
from tests.helpers.operator_process import Operator
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names

pytestmark = pytest.mark.cluster

FAILED = (names.KIND, "Failed", "Warning")
"""Whom an event is about, and what it says."""


def shell(image: str, script: str, **spec: Any) -> dict[str, Any]:
    """A run of a shell script; the shell ignores SIGTERM, so it is given a second to end."""
    pod = {"terminationGracePeriodSeconds": 1}
    return {"image": image, "resources": {"gpus": 0}, "command": ["sh", "-c", script], "pod": pod, **spec}


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_a_command_on_two_nodes_completes(runs: Runs, operator: Operator, image: str) -> None:
    mark = AuditMark(runs.cluster.audit_log())
    script = 'until getent hosts "$PET_MASTER_ADDR"; do sleep 0.2; done; touch "/checkpoints/$PET_NODE_RANK"'
    runs.apply(manifest("pair", shell(image, script, nodes=2, checkpoints={"size": "10Mi"})))
    status = runs.wait("pair", "Completed", "Failed", seconds=90)
    assert status["phase"] == "Completed", status
    assert {condition["type"]: condition["status"] for condition in status["conditions"]} == {
        "Accepted": "True",
        "QuotaReserved": "True",
        "Running": "False",
        "Restarting": "False",
        "Suspended": "Unknown",
        "Progressing": "False",
        "CheckpointFresh": "Unknown",
        "Succeeded": "True",
        "Failed": "False",
    }
    generation = runs.get("trainingrun", "pair")["metadata"]["generation"]
    assert {c["observedGeneration"] for c in status["conditions"]} == {generation}
    assert status["observedGeneration"] == generation
    assert (status["attempt"], status["nodesReady"]) == (1, "2/2")
    assert status["checkpointClaim"] == "pair-checkpoints"
    assert status["startTime"] <= status["completionTime"]
    children = runs.children("pair")
    assert {kind: len(found) for kind, found in children.items()} == {
        "jobs": 1,
        "pods": 2,
        "services": 1,
        "persistentvolumeclaims": 1,
    }
    assert len({pod["spec"]["nodeName"] for pod in children["pods"]}) == 2
    writes = [
        request
        for request in mark.requests()
        if request.namespace == runs.namespace
        and not request.is_read
        and request.resource
        in ("jobs", "services", "persistentvolumeclaims", "trainingruns/status", "events")
        and request.user_agent.startswith("trainingrun-operator/")
    ]
    # three objects, a status at the least, and two events at the most
    assert 4 <= len(writes) <= 9, writes


def test_a_crash_explains_itself(runs: Runs, operator: Operator, image: str) -> None:
    script = '[ "$PET_NODE_RANK" = 0 ] && sleep 60; echo "ValueError: bad shape" >&2; exit 7'
    runs.apply(manifest("crash", shell(image, script, nodes=2, restart={"maxFailures": 0})))
    status = runs.wait("crash", "Failed", "Completed", seconds=90)
    assert (status["phase"], status["reason"]) == ("Failed", "UserError")
    failure = status["lastFailure"]
    assert (failure["index"], failure["rank"], failure["exitCode"]) == (1, 1, 7)
    assert failure["message"] == "ValueError: bad shape"
    assert failure["node"] in runs.cluster.nodes
    assert failure["pod"] in status["message"]

    def is_told() -> bool:  # after the status
        events = runs.items("events.events.k8s.io")
        return any((e["regarding"]["kind"], e["reason"], e["type"]) == FAILED for e in events)

    wait_until("the event", is_told, seconds=30)


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"resources": {"gpus": 64}}, "Unschedulable", "Insufficient nvidia.com/gpu"),
        ({"image": "registry.invalid/none:1"}, "ImagePull", "registry.invalid/none:1"),
        ({"volumes": [{"claim": "gone", "mountPath": "/data"}]}, "VolumeUnbound", "gone"),
    ],
)
def test_pending_says_why(
    runs: Runs, operator: Operator, image: str, spec: dict[str, Any], reason: str, words: str
) -> None:
    runs.apply(manifest("waits", {**shell(image, "true"), **spec}))
    status = runs.wait_until("waits", lambda status: status.get("reason") == reason, reason, seconds=60)
    assert status["phase"] == "Pending"
    assert words in status["message"]
    assert "waits-1-0-" in status["message"]


def test_deletion_removes_the_children_and_keeps_the_checkpoints(
    runs: Runs, operator: Operator, image: str
) -> None:
    runs.apply(manifest("gone", shell(image, "sleep 600", nodes=2, checkpoints={"size": "10Mi"})))
    runs.wait("gone", "Running", seconds=90)
    page = f"http://127.0.0.1:{operator.metrics_port}/metrics"
    assert 'trainingrun_status_phase{name="gone"' in read(page)
    runs.kubectl("delete", "trainingrun", "gone")
    for kind in ("job", "pod", "service"):
        runs.kubectl("wait", kind, "-l", f"{names.RUN_LABEL}=gone", "--for=delete", "--timeout=60s")
    assert len(runs.items("persistentvolumeclaim", f"{names.RUN_LABEL}=gone")) == 1
    assert 'name="gone"' not in read(page)


def test_a_run_created_anew_under_the_same_name_waits_for_the_old_job_and_uses_the_kept_claim(
    runs: Runs, operator: Operator, image: str
) -> None:
    slow = {"terminationGracePeriodSeconds": 5}
    spec = shell(image, "sleep 600", checkpoints={"size": "10Mi"}, pod=slow)
    runs.apply(manifest("again", spec))
    runs.wait("again", "Running", seconds=60)
    first = runs.get("trainingrun", "again")["metadata"]["uid"]
    claim = runs.get("persistentvolumeclaim", "again-checkpoints")["metadata"]["uid"]
    runs.kubectl("delete", "trainingrun", "again")
    runs.apply(manifest("again", shell(image, "true", checkpoints={"size": "10Mi"})))
    status = runs.wait("again", "Completed", "Failed", seconds=90)
    assert status["phase"] == "Completed", status
    assert runs.get("trainingrun", "again")["metadata"]["uid"] != first
    assert runs.get("persistentvolumeclaim", "again-checkpoints")["metadata"]["uid"] == claim


def test_an_object_of_somebody_else_is_not_touched(runs: Runs, operator: Operator, image: str) -> None:
    runs.kubectl("create", "job", "taken-1", f"--image={image}", "--", "true")
    before = runs.get("job", "taken-1")["metadata"]["uid"]
    runs.apply(manifest("taken", shell(image, "true")))
    status = runs.wait("taken", "Failed", seconds=30)
    assert status["reason"] == "NameConflict"
    assert "Job taken-1" in status["message"]
    assert runs.get("job", "taken-1")["metadata"]["uid"] == before


def test_terminal_is_terminal(runs: Runs, operator: Operator, image: str) -> None:
    runs.apply(manifest("done", shell(image, "true")))
    runs.wait("done", "Completed", seconds=60)
    version = runs.get("trainingrun", "done")["metadata"]["resourceVersion"]
    operator.kill()
    runs.kubectl("delete", "job", "done-1")
    operator.start()
    runs.apply(manifest("witness", shell(image, "true")))
    runs.wait("witness", "Completed", seconds=60)
    assert runs.items("job", f"{names.RUN_LABEL}=done") == []
    assert runs.get("trainingrun", "done")["metadata"]["resourceVersion"] == version


def test_pods_that_a_quota_refuses_are_no_secret(runs: Runs, operator: Operator, image: str) -> None:
    runs.kubectl("create", "quota", "none", "--hard=pods=0")
    runs.apply(manifest("refused", shell(image, "true")))
    status = runs.wait_until(
        "refused", lambda status: status.get("reason") == "Rejected", "refused", seconds=90
    )
    assert status["phase"] == "Pending"
    assert "exceeded quota: none" in status["message"]
    runs.kubectl("delete", "quota", "none")
    runs.wait("refused", "Completed", seconds=300)


def test_a_job_deleted_under_way_costs_an_attempt_and_nothing_else(
    runs: Runs, operator: Operator, image: str
) -> None:
    runs.apply(manifest("lost", shell(image, "sleep 600")))
    runs.wait("lost", "Running", seconds=60)
    runs.kubectl("delete", "job", "lost-1")
    status = runs.wait_until(
        "lost",
        lambda status: (status["phase"], status["attempt"]) == ("Running", 2),
        "in its second attempt",
        seconds=90,
    )
    assert [(record["outcome"], record["reason"]) for record in status["attempts"]] == [
        ("Disruption", "JobLost")
    ]
    assert "failures" not in status.get("budget", {})
    assert [job["metadata"]["name"] for job in runs.items("job", f"{names.RUN_LABEL}=lost")] == ["lost-2"]


def test_what_happened_while_the_operator_was_away_is_found_out(
    runs: Runs, idle_operator: Operator, image: str
) -> None:
    runs.apply(manifest("early", shell(image, "true")))
    idle_operator.start()
    runs.wait("early", "Completed", seconds=60)
    runs.apply(manifest("away", shell(image, "sleep 3")))
    runs.wait("away", "Running", seconds=60)
    idle_operator.kill()
    runs.kubectl("wait", "job/away-1", "--for=condition=Complete", "--timeout=60s")
    idle_operator.start()
    status = runs.wait("away", "Completed", seconds=60)
    assert status["attempt"] == 1


def test_sigterm_ends_it_at_once_and_well(runs: Runs, operator: Operator, image: str) -> None:
    runs.apply(manifest("alive", shell(image, "true")))
    runs.wait("alive", "Completed", seconds=60)
    assert json.loads(read(f"http://127.0.0.1:{operator.health_port}/healthz")) == {"operator": "alive"}
    assert operator.kill(signal.SIGTERM) == 0


def test_wrong_settings_end_it_at_once(idle_operator: Operator) -> None:
    idle_operator.environ["TRAININGRUN_OPERATOR_WORKERS"] = "many"
    idle_operator.start()
    assert idle_operator.wait() == names.EXIT_BAD_CONFIG

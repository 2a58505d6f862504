"""Runs that wait for each other: of one project, and of a queue that a stand-in for Kueue manages."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.kueue_stand_in import KueueStandIn
from tests.helpers.runs import Runs, manifest
from tests.helpers.watch import Watch
from trainingrun_api import names

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

Object = dict[str, Any]
NODE_LABELS = {"kubernetes.io/os": "linux"}
"""What the stand-in injects: a label that every node of the test cluster carries."""
SECONDS = 90


@pytest.fixture
def run(runs: Runs, base_image: str) -> Callable[..., Object]:
    """Makes a run of a shell script; it ends soon after SIGTERM."""

    def make(name: str, script: str, **spec: Any) -> Object:
        trapped = f"trap 'exit {names.EXIT_INTERRUPTED}' TERM; ({script}) & wait $!"
        program = {"image": base_image, "resources": {"gpus": 0}, "command": ["sh", "-c", trapped]}
        return manifest(name, {**program, **spec})

    return make


@pytest.fixture
def priority(runs: Runs) -> Iterator[str]:
    """A PriorityClass above the default."""
    name = f"high-{uuid.uuid4().hex[:6]}"
    kind = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "preemptionPolicy": "Never"}
    runs.cluster.kubectl(
        "apply", "-f", "-", input=json.dumps({**kind, "metadata": {"name": name}, "value": 9})
    )
    yield name
    runs.cluster.kubectl("delete", "priorityclass", name, "--wait=false")


def condition(status: Object, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition."""
    found = next(c for c in status["conditions"] if c["type"] == kind)
    return found["status"], found["reason"], found.get("message", "")


def waits_for(name: str) -> Callable[[Object], bool]:
    return lambda status: status.get("waitingFor") == name


def release(runs: Runs, run: str) -> None:
    """Lets UNTIL_RELEASED of a run go on, in all of its pods."""
    for pod in runs.items("pods", f"{names.RUN_LABEL}={run}"):
        if pod["status"]["phase"] == "Running":
            runs.kubectl("exec", pod["metadata"]["name"], "--", "touch", "/tmp/go")


UNTIL_RELEASED = "until [ -e /tmp/go ]; do sleep 0.2; done"


def test_a_project_has_one_active_run_and_the_others_say_for_whom_they_wait(
    runs: Runs, run: Callable[..., Object]
) -> None:
    order = ["a", "b", "c"]
    with Watch(runs.cluster, runs.namespace, "pods") as pods:
        runs.apply(*(run(name, UNTIL_RELEASED, project="chest") for name in order))
        runs.apply(run("apart", "true"))
        assert runs.wait("apart", "Completed", "Failed", seconds=SECONDS)["phase"] == "Completed"
        runs.wait("a", "Running", seconds=SECONDS)
        third = runs.wait_until(
            "c", lambda status: "Running" in status.get("message", ""), "told that a runs", 2 * SECONDS
        )
        assert (third["phase"], third["reason"], third["waitingFor"]) == ("Pending", "WaitingForProject", "a")
        assert third["message"] == "waits for a (Running), 2nd in line"
        assert condition(third, "QuotaReserved") == ("False", "WaitingForProject", third["message"])
        for current, following in zip(order, [*order[1:], None], strict=True):
            runs.wait(current, "Running", seconds=SECONDS)
            release(runs, current)
            runs.wait(current, "Completed", seconds=SECONDS)
            if following:
                runs.wait(following, "Running", seconds=SECONDS)
        seen = pods.events()
    assert _never_together(seen, set(order))
    for name in order:
        status = runs.status(name)
        assert (status["attempt"], status.get("waitingFor")) == (1, None)
        assert condition(status, "QuotaReserved")[:2] == ("True", "NoQueue")


def _never_together(events: list[Any], members: set[str]) -> bool:
    """Whether at no time pods of two of these runs were there without having ended."""
    living: dict[str, str] = {}
    for event in events:
        pod = event.object
        owner = pod["metadata"]["labels"][names.RUN_LABEL]
        over = event.type == "DELETED" or pod["status"].get("phase") in ("Succeeded", "Failed")
        if over:
            living.pop(pod["metadata"]["name"], None)
        elif owner in members:
            living[pod["metadata"]["name"]] = owner
        if len(set(living.values())) > 1:
            return False
    return True


def test_a_suspended_and_a_deleted_run_let_the_next_one_go(runs: Runs, run: Callable[..., Object]) -> None:
    runs.apply(*(run(name, UNTIL_RELEASED, project="chest") for name in ("a", "b", "c")))
    runs.wait("a", "Running", seconds=SECONDS)
    runs.wait_until("b", waits_for("a"), "waiting for a", SECONDS)
    runs.kubectl("patch", "trainingrun", "a", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    runs.wait("b", "Running", seconds=SECONDS)
    assert condition(runs.status("a"), "Suspended")[0] == "True"
    runs.kubectl("patch", "trainingrun", "a", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    runs.wait_until("a", waits_for("b"), "waiting for b", SECONDS)
    runs.kubectl("delete", "trainingrun", "b")
    # Its creation was before that of c, so it is the first in line again.
    resumed = runs.wait("a", "Running", seconds=SECONDS)
    assert resumed["attempt"] == 2
    runs.wait_until("c", waits_for("a"), "waiting for a", SECONDS)
    release(runs, "a")
    runs.wait("a", "Completed", seconds=SECONDS)
    runs.wait("c", "Running", seconds=SECONDS)


def test_a_queued_run_waits_for_its_admission_and_keeps_what_the_queue_injects(
    runs: Runs, run: Callable[..., Object]
) -> None:
    runs.apply(run("first", UNTIL_RELEASED, queue="team-a"))
    queued = runs.wait_until("first", lambda status: "conditions" in status, "taken up", SECONDS)
    assert (queued["phase"], queued["reason"], queued["attempt"]) == ("Pending", "Queued", 1)
    assert condition(queued, "QuotaReserved") == (
        "False",
        "Queued",
        "waits for quota in LocalQueue team-a",
    )
    with KueueStandIn(runs.cluster, runs.namespace, quota=1, node_labels=NODE_LABELS) as kueue:
        admitted = runs.wait("first", "Running", seconds=SECONDS)
        assert condition(admitted, "QuotaReserved")[:2] == ("True", "Admitted")
        runs.apply(run("second", UNTIL_RELEASED, queue="team-a"))
        second = runs.wait_until("second", lambda status: "conditions" in status, "taken up", SECONDS)
        assert (second["phase"], second["reason"]) == ("Pending", "Queued")
        (pod,) = runs.children("first")["pods"]
        assert pod["spec"]["nodeSelector"] == NODE_LABELS
        assert names.QUEUE_LABEL not in pod["metadata"]["labels"]
        release(runs, "first")
        runs.wait("first", "Completed", seconds=SECONDS)
        runs.wait("second", "Running", seconds=SECONDS)
        release(runs, "second")
        runs.wait("second", "Completed", seconds=SECONDS)
        assert (kueue.admitted, kueue.stopped) == (["first-1", "second-1"], [])
    for name in ("first-1", "second-1"):
        job = json.loads(runs.kubectl("get", "job", name, "-o", "json", "--show-managed-fields"))
        assert job["spec"]["template"]["spec"]["nodeSelector"] == NODE_LABELS
        assert _writes_of_the_operator(job) == [job["metadata"]["creationTimestamp"]]


def _writes_of_the_operator(job: Object) -> list[str]:
    entries = job["metadata"]["managedFields"]
    return [entry["time"] for entry in entries if entry["manager"] == names.FIELD_MANAGER]


def test_a_preemption_is_free_and_the_run_queues_anew(
    runs: Runs, run: Callable[..., Object], priority: str
) -> None:
    with KueueStandIn(runs.cluster, runs.namespace, quota=1) as kueue:
        runs.apply(run("low", UNTIL_RELEASED, queue="team-a", nodes=2))
        runs.wait("low", "Running", seconds=SECONDS)
        runs.apply(run("high", UNTIL_RELEASED, queue="team-a", pod={"priorityClassName": priority}))
        runs.wait("high", "Running", seconds=SECONDS)
        waiting = runs.wait_until(
            "low", lambda s: (s["attempt"], s["reason"]) == (2, "Queued"), "queued anew", SECONDS
        )
        assert condition(waiting, "QuotaReserved")[:2] == ("False", "Queued")
        (record,) = waiting["attempts"]
        assert (record["outcome"], record["reason"]) == ("Disruption", "Preempted")
        assert waiting["restarts"]["disruptions"] == 1
        assert waiting.get("budget", {}).get("failures", 0) == 0
        assert [job["metadata"]["name"] for job in runs.children("low")["jobs"]] == ["low-2"]
        release(runs, "high")
        runs.wait("high", "Completed", seconds=SECONDS)
        runs.wait("low", "Running", seconds=SECONDS)
        kueue.evict("low-2")
        third = runs.wait_until("low", lambda s: s["attempt"] == 3, "in its third attempt", SECONDS)
        assert third["restarts"] == {"disruptions": 2, "failures": 0, "stalls": 0, "total": 2}
        runs.wait("low", "Running", seconds=SECONDS)
        release(runs, "low")
        assert runs.wait("low", "Completed", seconds=SECONDS)["attempt"] == 3
        assert kueue.admitted == ["low-1", "high-1", "low-2", "low-3"]
        assert kueue.stopped == ["low-1", "low-2"]

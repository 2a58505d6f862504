"""What the chart lets the operator do is what the operator does, to the last verb."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.cluster.shell import wait_until
from tests.demo.install import NAMESPACE, OPERATOR_USER, RELEASE
from tests.helpers.audit import AuditMark
from tests.helpers.helm import one
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names
from trainingrun_api.reasons import Reason

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

Object = dict[str, Any]
SECONDS = 120
NEVER_ASKED = {("trainingruns/finalizers", "update")}
"""What the admission of OpenShift wants of who sets an owner that blocks its deletion. Nobody requests it."""


def granted() -> set[tuple[str, str]]:
    """Resources and verbs of the ClusterRole."""
    role = one("ClusterRole", "rbac.aggregate=false", "crds.create=false")
    return {pair for rule in role["rules"] for pair in product(rule["resources"], rule["verbs"])}


def reason(expected: Reason) -> Callable[[Object], bool]:
    return lambda status: status.get("reason") == expected


def test_each_permission_is_used_and_nothing_else_is_asked_for(runs: Runs, base_image: str) -> None:
    mark = AuditMark(runs.cluster.audit_log())
    # Lists are made, and the watches of before end, with a restart.
    deployment = ("-n", NAMESPACE, "rollout")
    runs.cluster.kubectl(*deployment, "restart", f"deployment/{RELEASE}")
    runs.cluster.kubectl(*deployment, "status", f"deployment/{RELEASE}", f"--timeout={SECONDS}s")

    def run(name: str, script: str = "exit 0", **spec: Any) -> Object:
        trapped = f"trap 'exit {names.EXIT_INTERRUPTED}' TERM; ({script}) & wait $!"
        program = {"image": base_image, "resources": {"gpus": 0}, "command": ["sh", "-c", trapped]}
        return manifest(name, {**program, **spec})

    def taken(kind: str, name: str, **spec: Any) -> Object:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    runs.apply(
        taken("Service", names.service_name("no-service"), clusterIP="None"),
        taken("PersistentVolumeClaim", "no-claim-checkpoints", **claim),
    )
    runs.apply(
        run("no-service", nodes=2),
        run("no-claim", checkpoints={"size": "1Mi"}),
        run("queued", queue="nobody"),
        run("podless", pod={"priorityClassName": "no-such-class"}),
        run("short", ttlSecondsAfterFinished=0),
        run("long", "sleep 600"),
        run("robbed", "sleep 600", restart={"maxFailures": 0}),
    )
    for name in ("no-service", "no-claim"):
        runs.wait_until(name, reason(Reason.NAME_CONFLICT), "refused", SECONDS)
    for name in ("long", "robbed"):
        runs.wait(name, "Running", seconds=SECONDS)
    runs.kubectl("delete", "job", names.job_name("robbed", 1), "--wait=false")
    runs.kubectl("patch", "tr", "long", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    runs.wait_until("long", reason(Reason.SUSPENDED), "suspended", SECONDS)
    runs.wait("robbed", "Failed", "Pending", seconds=SECONDS)

    def asked() -> set[tuple[str, str]]:
        requests = mark.requests(OPERATOR_USER)
        return {(request.resource, request.verb) for request in requests if request.resource}

    expected = granted() - NEVER_ASKED
    try:
        wait_until("all verbs", lambda: asked() >= expected, seconds=SECONDS, every=1)
    finally:
        print("not asked for:", sorted(expected - asked()))
    assert asked() <= expected

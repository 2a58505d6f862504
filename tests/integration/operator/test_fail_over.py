"""Two operators with a Lease: one works, and the other goes on within moments of its end, whatever the end.

Each is a process behind a fault proxy of its own, which cuts it off from the API server and notes what it
wrote, and when.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.shell import wait_until
from tests.helpers.audit import AuditMark
from tests.helpers.fault_proxy import Break, Call, Fault, FaultProxy
from tests.helpers.operator_process import Operator, operator_for
from tests.helpers.runs import Runs, manifest

pytestmark = pytest.mark.cluster

TAKEOVER_SECONDS = 20
LEASE = "operator"
WAITS = "until test -e /checkpoints/go; do sleep 0.2; done"
STOPPED_WORKING = 1
"""Exit code of an operator that lost its Lease."""


@dataclass
class Candidate:
    """An operator, and the way it goes to the API server."""

    operator: Operator
    cut: bool = False
    wrote: list[float] = field(default_factory=list)
    """When its writes reached the API server, those to the Lease apart; seconds on the monotonic clock."""

    def rule(self, call: Call) -> Fault | None:
        if self.cut:
            return Break(committed=False)
        if call.write and call.resource != "leases":
            self.wrote.append(time.monotonic())
        return None


@contextmanager
def pair(runs: Runs, folder: Path) -> Iterator[tuple[Candidate, Candidate]]:
    """The one that works, and the one that stands by."""
    with ExitStack() as stack:
        candidates = []
        for name in ("first", "second"):
            proxy = stack.enter_context(FaultProxy(runs.cluster.kubeconfig))
            kubeconfig = proxy.write_kubeconfig(folder / f"{name}.kubeconfig")
            log = folder / f"{name}.log"
            operator = operator_for(runs.namespace, kubeconfig, log, lease=f"{runs.namespace}/{LEASE}")
            candidate = Candidate(operator)
            proxy.rule = candidate.rule
            stack.callback(show, log)
            stack.callback(operator.end)
            operator.start()
            # the first must hold the Lease before the second comes
            wait_until(f"{name} to stand for election", lambda: bool(runs.items("leases")), seconds=30)
            candidates.append(candidate)
        first, second = candidates
        wait_until("the second one to watch", lambda: bool(second.operator.healthy()), seconds=30)
        yield first, second


def show(log: Path) -> None:
    print(log.read_text(encoding="utf-8"))


def holder(runs: Runs) -> str:
    return str(runs.get("lease", LEASE)["spec"]["holderIdentity"])


def shell(image: str, script: str, **spec: Any) -> dict[str, Any]:
    pod = {"terminationGracePeriodSeconds": 1}
    return {"image": image, "resources": {"gpus": 0}, "command": ["sh", "-c", script], "pod": pod, **spec}


def kill(candidate: Candidate) -> None:
    candidate.operator.kill()


def stop(candidate: Candidate) -> None:
    os.kill(candidate.operator.pid, signal.SIGSTOP)


def cut(candidate: Candidate) -> None:
    candidate.cut = True


@pytest.mark.parametrize("fault", [kill, stop, cut], ids=["SIGKILL", "SIGSTOP", "cut network"])
def test_the_other_one_goes_on_and_they_never_write_at_the_same_time(
    runs: Runs, image: str, tmp_path: Path, fault: Callable[[Candidate], None]
) -> None:
    mark = AuditMark(runs.cluster.audit_log())
    with pair(runs, tmp_path) as (first, second):
        runs.apply(
            manifest("done", shell(image, "true")),
            manifest("under-way", shell(image, WAITS, checkpoints={"size": "10Mi"})),
            manifest("unschedulable", shell(image, "true", resources={"gpus": 64})),
            manifest(
                "pausing", shell(image, "exit 3", restart={"backoffSeconds": 3600, "maxBackoffSeconds": 3600})
            ),
            manifest("suspended", shell(image, "true", suspend=True)),
            manifest("failed", shell(image, "exit 65")),
        )
        before = {
            "done": runs.wait("done", "Completed", seconds=60),
            "failed": runs.wait("failed", "Failed", seconds=60),
            "under-way": runs.wait("under-way", "Running", seconds=60),
        }
        assert not second.wrote, "the one that stands by wrote"
        fault(first)
        runs.apply(manifest("new", shell(image, "true")))
        wait_until(
            "the start of a new run", lambda: bool(runs.children("new")["jobs"]), seconds=TAKEOVER_SECONDS
        )
        assert max(first.wrote) < min(second.wrote)

        if fault is stop:
            os.kill(first.operator.pid, signal.SIGCONT)
        first.cut = False
        if fault is not kill:
            assert first.operator.wait() == STOPPED_WORKING
            assert max(first.wrote) < min(second.wrote)
            first.operator.start()
        assert runs.wait("new", "Completed", "Failed", seconds=60)["phase"] == "Completed"
        [pod] = runs.children("under-way")["pods"]
        runs.kubectl("exec", pod["metadata"]["name"], "--", "touch", "/checkpoints/go")
        after = {name: runs.wait(name, "Completed", "Failed", seconds=60) for name in before}
        assert after["done"] == before["done"]
        assert after["failed"] == before["failed"]
        assert (after["under-way"]["phase"], after["under-way"]["attempt"]) == ("Completed", 1)
        created = Counter(
            request.name
            for request in mark.requests()
            if (request.verb, request.resource, request.namespace) == ("create", "jobs", runs.namespace)
        )
        started = ("done", "under-way", "unschedulable", "pausing", "failed", "new")
        assert created == Counter(f"{name}-1" for name in started)


def test_sigterm_hands_the_work_over_at_once(runs: Runs, image: str, tmp_path: Path) -> None:
    with pair(runs, tmp_path) as (first, second):
        assert first.operator.kill(signal.SIGTERM) == 0
        runs.apply(manifest("new", shell(image, "true")))
        wait_until("the second one to work", lambda: bool(second.wrote), seconds=8)
        assert runs.wait("new", "Completed", "Failed", seconds=60)["phase"] == "Completed"


def test_a_lease_that_somebody_takes_or_deletes_ends_the_one_that_held_it(
    runs: Runs, image: str, tmp_path: Path
) -> None:
    with pair(runs, tmp_path) as (first, second):
        runs.kubectl("patch", "lease", LEASE, "--type=merge", "-p", '{"spec":{"holderIdentity":"an-admin"}}')
        assert first.operator.wait() == STOPPED_WORKING
        assert not second.wrote
        wait_until(
            "somebody to take what is not renewed",
            lambda: holder(runs) != "an-admin",
            seconds=TAKEOVER_SECONDS,
        )
        runs.kubectl("delete", "lease", LEASE)
        assert second.operator.wait() == STOPPED_WORKING
        second.operator.start()
        runs.apply(manifest("new", shell(image, "true")))
        assert runs.wait("new", "Completed", "Failed", seconds=60)["phase"] == "Completed"

"""Alerts for faults that a healthy cluster does not show: each fires for its cause, and ends with it.

The operator is a process behind a fault proxy, a real Prometheus scrapes it and weighs the chart's rules.
What happens one after the other shares one scene, for each alert takes its time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cluster.api import UnsupportedMachineError
from tests.cluster.shell import run, wait_until
from tests.helpers import own_program, rules
from tests.helpers.fault_proxy import Call, Fault, FaultProxy, Refuse, no_fault
from tests.helpers.operator_process import Operator, operator_for
from tests.helpers.played_nodes import NODE_SELECTOR
from tests.helpers.prometheus import Prometheus, serving
from tests.helpers.runs import Runs, manifest
from trainingrun_api import names, telemetry
from trainingrun_operator.settings import PREFIX
from trainingrun_operator.times import to_timestamp

pytestmark = pytest.mark.cluster

FASTER = 60
"""Alerts wait, and look back, so many times as short as they are shipped."""
SECONDS = 150
"""In which any of them fires, or ends: the longest one waits a minute, whatever FASTER is."""
STALL_SECONDS = 10
CROWD = 40
"""Runs that the operator cannot start: more than fit into its queue's limit while some of them rest."""
LONG_AGO = timedelta(hours=3)
RUN = "wasteful"
UNREACHABLE, WASTEFUL = "TrainingRunTrainersUnreachable", "TrainingRunLowGoodput"
OVERDUE = "TrainingRunOperatorResyncOverdue"
CROWDED = {"TrainingRunOperatorQueueBacklog", "TrainingRunOperatorReconcileErrors"}


def lists_are_refused(call: Call) -> Fault | None:
    """The watches go on, and the resync fails."""
    return Refuse(503) if call.is_list else None


def lists_and_jobs_are_refused(call: Call) -> Fault | None:
    """Nothing can be started either."""
    return Refuse(503) if call.is_list or (call.method, call.resource) == ("POST", "jobs") else None


def test_each_fault_raises_its_alert_and_no_other(runs: Runs, image: str, tmp_path: Path) -> None:
    with watched(runs, tmp_path) as (operator, proxy, prometheus):
        seen: set[str] = set()

        def fires(*alerts: str) -> None:
            wait_until(f"{alerts} to fire", lambda: look() >= set(alerts), seconds=SECONDS, every=0.5)

        def ends(*alerts: str) -> None:
            wait_until(f"{alerts} to end", lambda: not look() & set(alerts), seconds=SECONDS, every=0.5)

        def look() -> set[str]:
            firing = prometheus.firing() & rules.WANTS_A_FAULT
            seen.update(firing)
            return firing

        program = own_program.serving(image, f"{telemetry.USEFUL_SECONDS} 1\n")
        runs.apply(manifest(RUN, {**program, "deadlines": {"stallSeconds": STALL_SECONDS}}))
        runs.wait_until(RUN, lambda status: "progress" in status, "heard", SECONDS)
        assert look() == set()

        began_long_ago(runs)
        fires(WASTEFUL)
        assert seen == {WASTEFUL}

        proxy.rule = lists_are_refused
        with cut_off(pod_address(runs)):
            fires(UNREACHABLE)
        ends(UNREACHABLE)
        assert runs.status(RUN)["attempt"] == 1, "a run that nobody hears is left alone"

        proxy.rule = lists_and_jobs_are_refused
        runs.apply(*(manifest(f"crowd-{number}", crowd(image)) for number in range(CROWD)))
        fires(OVERDUE, *CROWDED)
        assert seen == rules.WANTS_A_FAULT

        proxy.rule = no_fault
        ends(OVERDUE, *CROWDED)
        assert operator.starts == 1
        assert look() == {WASTEFUL}


@contextmanager
def watched(runs: Runs, folder: Path) -> Iterator[tuple[Operator, FaultProxy, Prometheus]]:
    """An operator with few workers, its proxy, and the Prometheus that looks at it each second."""
    hastened = folder / "rules.json"
    hastened.write_text(rules.text(rules.hastened(rules.read(), FASTER)))
    with FaultProxy(runs.cluster.kubeconfig) as proxy:
        kubeconfig = proxy.write_kubeconfig(folder / "kubeconfig")
        operator = operator_for(runs.namespace, kubeconfig, folder / "operator.log")
        operator.environ[f"{PREFIX}WORKERS"] = "2"
        scrape = {
            "job_name": "operator",
            "honor_labels": True,
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [
                {
                    "targets": [f"127.0.0.1:{operator.metrics_port}"],
                    "labels": {"namespace": runs.namespace},
                }
            ],
        }
        operator.start()
        try:
            with serving(folder / "prometheus", [scrape], [hastened], 1) as prometheus:
                yield operator, proxy, prometheus
        except UnsupportedMachineError as error:
            pytest.skip(str(error))
        finally:
            operator.end()
            print(operator.log.read_text(encoding="utf-8")[-8000:])


def crowd(image: str) -> dict[str, object]:
    """`spec` of a run whose pods no node takes."""
    pod = {"nodeSelector": NODE_SELECTOR}
    return {"image": image, "command": ["true"], "resources": {"gpus": 0}, "pod": pod}


def began_long_ago(runs: Runs) -> None:
    """Makes the run one that has trained for hours: that long no test waits."""
    started = to_timestamp(datetime.now(UTC) - LONG_AGO)
    patch = f'{{"status": {{"startTime": "{started}"}}}}'
    runs.kubectl("patch", names.SINGULAR, RUN, "--subresource=status", "--type=merge", "-p", patch)


def pod_address(runs: Runs) -> str:
    [pod] = runs.items("pods", f"{names.RUN_LABEL}={RUN}")
    address: str = pod["status"]["podIP"]
    return address


@contextmanager
def cut_off(address: str) -> Iterator[None]:
    """Nothing on this machine reaches an address meanwhile."""
    # A rule, for the routes may hold one to this very address.
    rule = ["pref", "100", "to", f"{address}/32", "blackhole"]
    run(["ip", "rule", "add", *rule])
    try:
        yield
    finally:
        run(["ip", "rule", "del", *rule])

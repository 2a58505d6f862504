"""Runs to be watched, one of each kind, and what a Prometheus saw of them from their creation on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals

from tests.chaos import workload
from tests.helpers import own_program, rules
from tests.helpers.discovery import discovering
from tests.helpers.gpu_exporter import Device, Exporter, Way, exporting
from tests.helpers.grafana import chosen, dashboards
from tests.helpers.helm import objects
from tests.helpers.monitors import access, scrape_configs
from tests.helpers.prometheus import Prometheus, serving
from tests.helpers.runs import Object, Runs, manifest
from tests.preview.answers import Sheet, TimeRange, ask
from trainingrun_api import names, telemetry
from trainingrun_api.reasons import ConditionType, Phase, Reason
from trainingrun_trainer.launch import process_name

GOOD, STALLED, RESTARTED = "good", "stalled", "restarted"
FAILING, WAITING, OWN_PROGRAM = "failing", "waiting", "own-program"
RUN, FLEET, OPERATOR, COMPARE = (f"trainingrun-{name}" for name in ("run", "fleet", "operator", "compare"))
DURING, AFTER = "while it trains", "after it ended or stood still"

SCRAPE_SECONDS = 2
FASTER = 30
"""Alerts wait, and look back, so many times as short as they are shipped: a quarter of an hour is 30 s."""
RULE_SECONDS = 2
EPOCHS = {GOOD: 24, RESTARTED: 14, STALLED: 1000}
"""The first two must outlast what is looked at while they train."""
FAILURES = 4
SECONDS = 300
"""In which anything that is waited for has happened, on a slow machine too."""

PAGE = f"""\
{telemetry.METRIC}{{split="train",name="loss"}} NaN
{telemetry.DATA_WAIT_SECONDS} AGE
{telemetry.CHECKPOINT_BLOCKED} 1
"""
"""What a program of one's own may say: its loss is lost, it always waits for data, and its volume is full."""


def specs(image: str) -> dict[str, Object]:
    """`spec` by run; `image` has a shell and Python."""
    program = {"image": image, "resources": {"gpus": 0}, "restart": {"maxFailures": 0}}
    return {
        GOOD: training(GOOD, nodes=2, gpus=1),
        RESTARTED: training(RESTARTED, gpus=1),
        STALLED: {**training(STALLED), "restart": {"maxFailures": 0}},
        FAILING: {
            **program,
            "command": ["sh", "-c", "sleep 1; exit 7"],
            "restart": {"maxFailures": FAILURES, "backoffSeconds": 0},
        },
        WAITING: {**program, "command": ["true"], "resources": {"gpus": 64}},
        OWN_PROGRAM: {
            **own_program.serving(image, PAGE),
            "resources": {"gpus": 1},
            "checkpoints": {"size": "10Mi"},
            "pod": {"annotations": {"prometheus.io/scrape": "true"}},
        },
    }


def training(run: str, nodes: int = 1, gpus: int = 0) -> Object:
    """A run of the built-in trainer over ten digits."""
    spec = workload.spec(workload.Shape(processes=1), claim="")
    return {
        **spec,
        "nodes": nodes,
        "resources": {**spec["resources"], "gpus": gpus},
        "checkpoints": {"size": "200Mi", "everySteps": workload.STEPS_AN_EPOCH},
        "training": {**spec["training"], "maxEpochs": EPOCHS[run]},
    }


@dataclass
class Scene:
    """The runs and their Prometheus."""

    runs: Runs
    prometheus: Prometheus
    exporter: Exporter
    began: float = field(default_factory=time.time)
    sheets: dict[tuple[str, str], Sheet] = field(default_factory=dict)
    """What was shown, by when and of which run or dashboard."""
    statuses: dict[str, Object] = field(default_factory=dict)
    """The last one of each run that was waited for."""

    def times(self) -> TimeRange:
        """From the beginning until now."""
        return TimeRange(self.began, time.time(), SCRAPE_SECONDS)

    def look(self, uid: str, run: str) -> Sheet:
        """What a dashboard shows now, back to the beginning."""
        [found] = [dashboard for dashboard in dashboards() if dashboard.uid == uid]
        given = {"namespace": self.runs.namespace, "run": run}
        variables = chosen(self.prometheus, found, given)
        return ask(self.prometheus, found, self.times(), variables)

    def wait(self, run: str, what: str, holds: Callable[[Object], bool]) -> None:
        """Until a status of the run is as it should be."""
        self.statuses[run] = self.runs.wait_until(run, holds, what, SECONDS)

    def pod(self, run: str, index: int = 0) -> Object:
        """A running pod of the run."""
        of_run = f"{names.RUN_LABEL}={run},{names.COMPLETION_INDEX_LABEL}={index}"
        [found] = [pod for pod in self.runs.items("pods", of_run) if pod["status"]["phase"] == "Running"]
        return found

    def device(self, way: Way, run: str, pod: int, index: int, active: float) -> Device:
        """A GPU that a pod of the run holds."""
        found = self.pod(run, pod)
        node, name = found["spec"]["nodeName"], found["metadata"]["name"]
        return Device(way, node, self.runs.namespace, name, index, active)

    def strike(self, run: str, signal: Signals) -> None:
        """Send a signal to the process that trains."""
        container = self.runs.cluster.container(self.runs.namespace, self.pod(run)["metadata"]["name"])
        [worker] = [process for process in container.processes() if process.name == process_name(0)]
        container.signal(signal, worker.pid)

    def folder(self, run: str) -> Path:
        """The run's directory on this machine."""
        status = self.statuses[run]
        volume = self.runs.cluster.volume_folder(self.runs.namespace, status["checkpointClaim"])
        return volume / Path(status["runDirectory"]).name


@contextmanager
def watched(runs: Runs, folder: Path) -> Iterator[Scene]:
    """A Prometheus that scrapes what the chart's monitors name, and weighs its rules in a hurry."""
    hastened = folder / "rules.json"
    hastened.write_text(rules.text(rules.hastened(rules.read(), FASTER)))
    intervals = [
        f"{monitor}.{name}={SCRAPE_SECONDS}s"
        for monitor in ("serviceMonitor", "podMonitor")
        for name in ("interval", "scrapeTimeout")
    ]
    rendered = objects("serviceMonitor.enabled=true", "podMonitor.enabled=true", *intervals)
    monitors = [document for document in rendered if document["kind"].endswith("Monitor")]
    kubeconfig = runs.cluster.kubeconfig
    with exporting() as exporter, discovering(kubeconfig) as discovery:
        through = access(kubeconfig, folder / "tls", discovery)
        configs = scrape_configs(monitors, through) + exporter.scrape_configs(f"{SCRAPE_SECONDS}s")
        with serving(folder / "prometheus", configs, [hastened], RULE_SECONDS) as prometheus:
            yield Scene(runs, prometheus, exporter)


def play(scene: Scene, image: str) -> None:
    """From the creation of the runs until the last of them has met its fate."""
    scene.runs.apply(*(manifest(name, spec) for name, spec in specs(image).items()))
    for run in (GOOD, RESTARTED):
        scene.wait(run, "saved after an epoch", saved)
    scene.wait(OWN_PROGRAM, "heard", lambda status: bool(status.get("metrics")))
    scene.exporter.devices = [
        scene.device(Way.RENAMED, GOOD, 0, index=0, active=0.9),
        scene.device(Way.RENAMED, GOOD, 1, index=1, active=0.8),
        scene.device(Way.HONOURED, OWN_PROGRAM, 0, index=2, active=0.0),
        scene.device(Way.UNTOLD, RESTARTED, 0, index=3, active=0.5),
    ]
    time.sleep(3 * SCRAPE_SECONDS)  # the length of what is measured: rates need some scrapes
    for run in (GOOD, RESTARTED, OWN_PROGRAM):
        scene.sheets[DURING, run] = scene.look(RUN, run)
    scene.strike(RESTARTED, SIGKILL)
    scene.wait(STALLED, "saved after an epoch", saved)
    scene.strike(STALLED, SIGSTOP)
    scene.wait(STALLED, "stalled", stalled)
    scene.sheets[AFTER, STALLED] = scene.look(RUN, STALLED)
    for run in (GOOD, RESTARTED, FAILING):
        scene.wait(run, "over", lambda status: status.get("phase") in (Phase.COMPLETED, Phase.FAILED))
    time.sleep(3 * SCRAPE_SECONDS)  # and so do final values
    for run in (GOOD, RESTARTED, FAILING, WAITING):
        scene.sheets[AFTER, run] = scene.look(RUN, run)
    for uid in (FLEET, OPERATOR, COMPARE):
        scene.sheets[AFTER, uid] = scene.look(uid, GOOD)


def saved(status: Object) -> bool:
    """Whether an epoch is over, and a checkpoint written."""
    epoch = status.get("progress", {}).get("epoch", 0)
    return bool(epoch and status.get("checkpoint", {}).get("step"))


def stalled(status: Object) -> bool:
    """Whether the operator noticed that nothing moves."""
    return any(
        (condition["type"], condition["reason"]) == (ConditionType.PROGRESSING, Reason.STALLED)
        for condition in status.get("conditions", [])
    )

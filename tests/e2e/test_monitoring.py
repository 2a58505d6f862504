"""A real Prometheus, with the chart's monitors and rules, sees what becomes of real runs, and the dashboards'
panels show it.

The rules' times are shortened, see FASTER in monitoring_scene.py; tests/integration/monitoring has them as
they are shipped.
"""

import json
import math
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.chaos.workload import DATA_CLAIM, write_data
from tests.cluster.api import Cluster, ClusterError, UnsupportedMachineError
from tests.cluster.shell import wait_until
from tests.demo import install
from tests.e2e import monitoring_scene as scenes
from tests.e2e.monitoring_scene import (
    AFTER,
    COMPARE,
    DURING,
    FAILING,
    FLEET,
    GOOD,
    OPERATOR,
    OWN_PROGRAM,
    RESTARTED,
    RUN,
    STALLED,
    WAITING,
    Scene,
)
from tests.helpers import rules
from tests.helpers.runs import Object, Runs
from tests.preview.__main__ import sheets
from tests.preview.answers import Answer
from trainingrun_api.reasons import Phase

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

NO_GPU = {"GPU use", "GPU memory"}
ENDED = {"Time left"}
TOLD_BY_A_TRAINER = {
    "Epochs", "Progress", "Time left", "Best", "Loss", "Metric of record", "All metrics", "Learning rate",
    "Images a second", "Waiting for data", "Straggler spread", "Age of the newest checkpoint",
    "Time a checkpoint takes", "Silence of the ranks", "What the trainer does",
}  # fmt: skip
MAY_BE_EMPTY = {
    (DURING, GOOD): set(),
    (AFTER, GOOD): ENDED,
    (DURING, RESTARTED): set(),
    (AFTER, RESTARTED): ENDED,
    (AFTER, STALLED): ENDED | NO_GPU,
    # It serves a few of the trainer's series alone, and none of ranks.
    (DURING, OWN_PROGRAM): TOLD_BY_A_TRAINER | {"Goodput"},
    # Their programs tell nothing, or do not run.
    (AFTER, FAILING): TOLD_BY_A_TRAINER | NO_GPU | {"Goodput", "Health"},
    (AFTER, WAITING): TOLD_BY_A_TRAINER | NO_GPU | {"Goodput", "Health"},
    (AFTER, FLEET): {"Stalled now"},  # the stalled run may be Failed by then
    # Shares of nothing, where the operator has not worked in the last seconds; or it was refused nothing.
    (AFTER, OPERATOR): {"Failed steps", "Failed requests"},
    (AFTER, COMPARE): set(),
}
"""Panels that have nothing to show then; all others must."""

FIRES = {
    STALLED: {"TrainingRunStalled"},
    FAILING: {"TrainingRunRestartLoop"},
    WAITING: {"TrainingRunPendingTooLong"},
    OWN_PROGRAM: {
        "TrainingRunLossNotFinite",
        "TrainingRunCheckpointStale",
        "TrainingRunDataBound",
        "TrainingRunGPUIdle",
    },
}
OPERATOR_DOWN = "TrainingRunOperatorDown"
NEEDS_A_FAULT = {"trainingrun:reconcile_errors:ratio_rate10m"}
"""Recording rules without a result as long as the operator has not failed in any step."""


@pytest.fixture(scope="module")
def scene(module_runs: Runs, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The runs after all that becomes of them."""
    data = tmp_path_factory.mktemp("digits")
    write_data(data)
    module_runs.cluster.put_folder(data, module_runs.namespace, DATA_CLAIM)
    try:
        with scenes.watched(module_runs, tmp_path_factory.mktemp("watched")) as scene:
            scenes.play(scene, base_image)
            yield scene
    except UnsupportedMachineError as error:
        pytest.skip(str(error))


def answer(scene: Scene, when: str, run: str, title: str) -> Answer:
    """What a panel of the dashboard of one run showed; the first of two with one title."""
    return next(one for one in scene.sheets[when, run].answers if one.panel.title == title)


def latest(shown: Answer) -> dict[str, float]:
    """The newest value by legend."""
    return {named.legend: named.series.value for named in shown.shown}


@pytest.mark.parametrize(("when", "what"), MAY_BE_EMPTY)
def test_every_panel_shows_what_there_is(scene: Scene, when: str, what: str) -> None:
    shown = scene.sheets[when, what].answers
    assert {one.panel.title: one.error for one in shown if one.error} == {}
    empty = {one.panel.title for one in shown if one.panel.targets and not one.shown}
    assert empty <= MAY_BE_EMPTY[when, what]


def test_every_target_answers_but_the_trainer_that_was_stopped(scene: Scene) -> None:
    silent = {
        (target["labels"].get("trainingrun"), target["labels"]["endpoint"])
        for target in scene.prometheus.targets()
        if target["health"] == "down" and target["labels"]["namespace"] == scene.runs.namespace
    }
    # The program of one's own serves no heartbeats.
    assert silent <= {(STALLED, "metrics"), (STALLED, "heartbeats"), (OWN_PROGRAM, "heartbeats")}


def test_the_values_are_those_of_the_record(scene: Scene) -> None:
    for run in (GOOD, RESTARTED):
        record: list[Object] = json.loads((scene.folder(run) / "metrics.json").read_text())
        of_run = f'namespace="{scene.runs.namespace}", name="{run}"'
        served = {
            series.labels["metric"]: series.value
            for series in scene.prometheus.query(f"trainingrun_metric{{{of_run}}}")
        }
        recorded = {name: value for name, value in record[-1].items() if name in served}
        assert {"train_loss", "val_loss"} <= recorded.keys()
        assert {name: served[name] for name in recorded} == pytest.approx(recorded, rel=1e-3)
        assert latest(answer(scene, AFTER, run, "Loss")) == pytest.approx(
            {name: recorded[name] for name in ("train_loss", "val_loss")}, rel=1e-3
        )
        assert latest(answer(scene, AFTER, run, "Epochs")) == {
            "finished": len(record),
            "planned": scenes.EPOCHS[run],
        }
        best = min(row["val_loss"] for row in record)
        assert latest(answer(scene, AFTER, run, "Best")) == pytest.approx({"val_loss": best}, rel=1e-3)


def test_the_trainer_showed_epochs_of_the_record_and_nothing_else(scene: Scene) -> None:
    record = json.loads((scene.folder(GOOD) / "metrics.json").read_text())
    losses = [row["val_loss"] for row in record]
    loss = f'namespace="{scene.runs.namespace}", trainingrun="{GOOD}", split="val", name="loss"'
    times = scene.times()
    seen = scene.prometheus.query_range(f"trainer_metric{{{loss}}}", times.start, times.end, times.step)
    values = {value for series in seen for _, value in series.points}
    assert len(values) > 1
    for value in values:
        assert any(math.isclose(value, loss, rel_tol=1e-4) for loss in losses), value


def test_a_restart_stands_in_the_curves_and_the_count(scene: Scene) -> None:
    assert scene.statuses[RESTARTED]["phase"] == Phase.COMPLETED
    shown = scene.sheets[AFTER, RESTARTED]
    assert {name: bool(moments) for name, moments in shown.events.items()} == {
        "Restarts": True,
        "Resumes": True,
    }
    assert sum(latest(answer(scene, AFTER, RESTARTED, "Restarts")).values()) >= 1
    assert not any(scene.sheets[AFTER, GOOD].events.values())


def test_gpus_are_found_by_every_way_that_the_exporter_tells_pods(scene: Scene) -> None:
    def use(run: str) -> dict[str, float]:
        """By the device's number, at the end: each way is scraped at a moment of its own."""
        shown = [named.series for named in answer(scene, DURING, run, "GPU use").shown]
        end = max(series.points[-1][0] for series in shown)
        return {series.labels["gpu"]: series.value for series in shown if series.points[-1][0] == end}

    assert use(GOOD) == {"0": 0.9, "1": 0.8}
    assert use(OWN_PROGRAM) == {"2": 0.0}
    assert use(RESTARTED)["3"] == 0.5  # by its node, so beside the others of that node
    assert {"0", "1", "2", "3"} >= use(RESTARTED).keys()


def test_each_alert_is_known_here() -> None:
    reached = set().union(*FIRES.values()) | {OPERATOR_DOWN}
    assert reached | rules.WANTS_A_FAULT == rules.alerts(rules.read())
    assert not reached & rules.WANTS_A_FAULT


def test_alerts_fire_for_their_cause_and_a_good_run_is_silent(scene: Scene) -> None:
    namespace = scene.runs.namespace

    def fired() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {run: set() for run in (*FIRES, GOOD)}
        ever = f'max_over_time(ALERTS{{alertstate="firing", namespace="{namespace}"}}[1h])'
        for series in scene.prometheus.query(ever):
            found.setdefault(series.labels.get("name", ""), set()).add(series.labels["alertname"])
        return found

    def missing() -> dict[str, set[str]]:
        seen = fired()
        return {run: alerts - seen[run] for run, alerts in FIRES.items() if not alerts <= seen[run]}

    with suppress(ClusterError):
        wait_until("all alerts", lambda: not missing(), seconds=60)
    assert missing() == {}
    assert fired()[GOOD] == set()


def test_every_rule_can_be_weighed(scene: Scene) -> None:
    assert scene.prometheus.ill_rules() == {}
    without_result = {
        rule["record"]
        for group in rules.read()["groups"]
        for rule in group["rules"]
        if "record" in rule and not scene.prometheus.query(f"last_over_time({rule['record']}[1h])")
    }
    assert without_result <= NEEDS_A_FAULT


def test_every_dashboard_can_be_looked_at(scene: Scene, cluster: Cluster) -> None:
    """The pictures stay, in .cluster/reports/dashboards."""
    out = cluster.kubeconfig.parent / "reports" / "dashboards"
    given = {"namespace": scene.runs.namespace, "run": RESTARTED}
    sheets(scene.prometheus, scene.times(), given, out)
    assert {file.stem for file in out.glob("*.png")} >= {RUN, FLEET, OPERATOR, COMPARE}


def test_an_operator_that_is_gone_is_missed(scene: Scene) -> None:
    """The last test of the scene."""
    deployment = ("-n", install.NAMESPACE, "deployment", install.RELEASE)
    kubectl = scene.runs.cluster.kubectl
    kubectl("scale", *deployment, "--replicas=0")
    try:
        wait_until(OPERATOR_DOWN, lambda: OPERATOR_DOWN in scene.prometheus.firing(), seconds=scenes.SECONDS)
    finally:
        kubectl("scale", *deployment, "--replicas=1")
        kubectl("rollout", "status", *deployment, "--timeout=120s")
    wait_until(
        f"the end of {OPERATOR_DOWN}",
        lambda: OPERATOR_DOWN not in scene.prometheus.firing(),
        seconds=scenes.SECONDS,
    )

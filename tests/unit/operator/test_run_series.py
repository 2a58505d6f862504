"""What Prometheus sees of the runs."""

import gzip
import urllib.request

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.ports import free_port
from tests.unit.operator.builders import COMMAND, NOW, at, raw_pod, run
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import Phase
from trainingrun_api.status import Best, Checkpoint, Condition, LastFailure, Metric, Progress, Restarts
from trainingrun_operator.metrics_page import RunSeries, serve
from trainingrun_operator.observed import pod_from
from trainingrun_operator.run_series import FAMILIES, RUN_LABELS, Shown

RUN = run(
    {
        "nodes": 2,
        "resources": {"gpus": 4},
        "training": {"task": "classification"},
        "project": "chest",
        "queue": "team-a",
    }
)
STATUS = TrainingRunStatus(
    phase=Phase.RUNNING,
    reason="PodsRunning",
    conditions=[
        Condition(type="Progressing", status="False", reason="Stalled", last_transition_time=at(0)),
    ],
    attempt=2,
    start_time=at(-100),
    completion_time=at(10),
    progress=Progress(
        epoch=12,
        total_epochs=50,
        global_step=480,
        percent=24,
        samples_per_second="81.5",
        estimated_completion_time=at(250),
        last_heartbeat_time=at(0),
        useful_seconds=90,
    ),
    metrics=[Metric(name="val_accuracy", value="0.968"), Metric(name="train_loss", value="nan")],
    best=Best(name="val_accuracy", value="0.97", epoch=11),
    checkpoint=Checkpoint(step=3, time=at(-60)),
    restarts=Restarts(failures=1, stalls=0, disruptions=2, total=3),
    last_failure=LastFailure(attempt=1, reason="OOMKilled"),
    goodput="0.934",
)
LABELS = f'name="{RUN.name}",namespace="{RUN.namespace}"'


def rendered(series: RunSeries) -> str:
    return series.text().decode()


def shown(status: TrainingRunStatus = STATUS) -> RunSeries:
    series = RunSeries()
    series.publish(Shown(RUN, status, (pod_from(raw_pod(1)),), NOW))
    return series


def with_run(*labels: str) -> str:
    return "{" + ",".join(sorted([*LABELS.split(","), *labels])) + "}"


def test_a_run_is_shown_while_it_exists() -> None:
    series = shown()
    lines = rendered(series).splitlines()
    now = NOW.timestamp()
    for family, labels, value in (
        ("trainingrun_info", ['task="classification"', 'project="chest"', 'queue="team-a"'], 1.0),
        ("trainingrun_gpus", [], 8.0),
        ("trainingrun_status_phase", ['phase="Running"'], 1.0),
        ("trainingrun_status_phase", ['phase="Pending"'], 0.0),
        ("trainingrun_status_reason", ['reason="PodsRunning"'], 1.0),
        (
            "trainingrun_status_condition",
            ['condition="Progressing"', 'status="False"', 'reason="Stalled"'],
            1.0,
        ),
        ("trainingrun_attempt", [], 2.0),
        ("trainingrun_epoch", [], 12.0),
        ("trainingrun_epochs_planned", [], 50.0),
        ("trainingrun_global_step", [], 480.0),
        ("trainingrun_progress_ratio", [], 0.24),
        ("trainingrun_eta_seconds", [], 250.0),
        ("trainingrun_samples_per_second", [], 81.5),
        ("trainingrun_metric", ['metric="val_accuracy"'], 0.968),
        ("trainingrun_metric", ['metric="train_loss"'], float("nan")),
        ("trainingrun_best_metric", ['metric="val_accuracy"'], 0.97),
        ("trainingrun_restarts", ['cause="failure"'], 1.0),
        ("trainingrun_restarts", ['cause="stall"'], 0.0),
        ("trainingrun_restarts", ['cause="disruption"'], 2.0),
        ("trainingrun_last_failure", ['reason="OOMKilled"'], 1.0),
        ("trainingrun_goodput_ratio", [], 0.934),
        ("trainingrun_useful_seconds", [], 90.0),
        ("trainingrun_start_timestamp_seconds", [], now - 100),
        ("trainingrun_completion_timestamp_seconds", [], now + 10),
        ("trainingrun_heartbeat_timestamp_seconds", [], now),
        ("trainingrun_checkpoint_timestamp_seconds", [], now - 60),
        ("trainingrun_pod_info", ['index="1"', 'node="n1"', 'pod="chest-1-1-x"'], 1.0),
    ):
        values = [float(line.split()[-1]) for line in lines if line.startswith(family + with_run(*labels))]
        assert [str(found) for found in values] == [str(value)], family
    series.forget(RUN.key)
    assert RUN.name not in rendered(series)


def test_the_page_is_what_the_definitions_say() -> None:
    served = {
        family.name: (family.documentation, set(family.samples[0].labels))
        for family in text_string_to_metric_families(rendered(shown()))
    }
    assert served == {family: (family.help, {*RUN_LABELS, *family.labels}) for family in FAMILIES}


def test_a_metric_that_a_pod_told_twice_is_shown_once() -> None:
    twice = [Metric(name="loss", value="1"), Metric(name="loss", value="2")]
    assert rendered(shown(TrainingRunStatus(metrics=twice))).count('metric="loss"') == 1


def test_what_is_not_known_is_not_shown() -> None:
    series = RunSeries()
    series.publish(Shown(run(COMMAND), TrainingRunStatus(phase=Phase.PENDING), (), NOW))
    page = rendered(series)
    assert {line.split("{")[0] for line in page.splitlines() if "chest" in line} == {
        "trainingrun_created_timestamp_seconds",
        "trainingrun_gpus",
        "trainingrun_info",
        "trainingrun_restarts",
        "trainingrun_status_phase",
    }
    assert 'task="command"' in page


def test_the_text_of_a_run_is_that_of_its_last_change() -> None:
    series = shown()
    assert 'phase="Running"} 1.0' in rendered(series)
    for phase in (Phase.PENDING, Phase.COMPLETED):
        series.publish(Shown(RUN, TrainingRunStatus(phase=phase), (), NOW))
        page = rendered(series)
        assert f'phase="{phase}"}} 1.0' in page
        assert 'phase="Running"} 1.0' not in page


def test_an_ended_run_that_is_retried_is_shown_anew() -> None:
    series = shown(TrainingRunStatus(phase=Phase.FAILED))
    series.publish(Shown(RUN, STATUS, (), NOW))
    series.publish(Shown(RUN, TrainingRunStatus(phase=Phase.FAILED), (), NOW))
    assert 'phase="Failed"} 1.0' in rendered(series)


def test_labels_are_escaped() -> None:
    told = TrainingRunStatus(metrics=[Metric(name='a"b\\c\nd', value="1")])
    families = text_string_to_metric_families(rendered(shown(told)))
    [metric] = [family for family in families if family.name == "trainingrun_metric"]
    assert metric.samples[0].labels["metric"] == 'a"b\\c\nd'


def test_the_page_holds_the_operators_own_metrics_and_is_small_on_its_way() -> None:
    registry = CollectorRegistry()
    Gauge("a_gauge", "Help.", registry=registry).set(3)
    server = serve(port := free_port(), registry, shown())
    try:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics", headers={"Accept-Encoding": "gzip"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            names = {
                family.name
                for family in text_string_to_metric_families(gzip.decompress(answer.read()).decode())
            }
    finally:
        server.shutdown()
        server.server_close()
    assert {"a_gauge", *FAMILIES} <= names

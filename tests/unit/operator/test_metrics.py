"""What Prometheus sees of runs and of the operator."""

from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.operator.builders import NOW, at, raw_pod
from trainingrun_api import TrainingRunStatus
from trainingrun_api.reasons import Phase
from trainingrun_api.status import Checkpoint, Metric, Progress, Restarts
from trainingrun_operator.metrics import OperatorMetrics, RunSeries
from trainingrun_operator.observed import pod_from

STATUS = TrainingRunStatus(
    phase=Phase.RUNNING,
    progress=Progress(
        epoch=12,
        total_epochs=50,
        percent=24,
        estimated_completion_time=at(250),
        last_heartbeat_time=at(0),
    ),
    metrics=[Metric(name="val_accuracy", value="0.968"), Metric(name="train_loss", value="nan")],
    checkpoint=Checkpoint(step=3, time=at(-60)),
    restarts=Restarts(failures=1, stalls=0, disruptions=2, total=3),
    goodput="0.934",
)


def rendered(series: RunSeries) -> str:
    registry = CollectorRegistry()
    registry.register(series)
    return generate_latest(registry).decode()


def test_a_run_is_shown_while_it_exists() -> None:
    series = RunSeries()
    series.publish(("team", "chest"), STATUS, (pod_from(raw_pod(1)),), NOW)
    run_labels = 'name="chest",namespace="team"'
    page = rendered(series)
    for line in (
        f'trainingrun_status_phase{{{run_labels},phase="Running"}} 1.0',
        f'trainingrun_status_phase{{{run_labels},phase="Pending"}} 0.0',
        f"trainingrun_epoch{{{run_labels}}} 12.0",
        f"trainingrun_epochs_planned{{{run_labels}}} 50.0",
        f"trainingrun_progress_ratio{{{run_labels}}} 0.24",
        f"trainingrun_eta_seconds{{{run_labels}}} 250.0",
        f'trainingrun_metric{{metric="val_accuracy",{run_labels}}} 0.968',
        f'trainingrun_metric{{metric="train_loss",{run_labels}}} NaN',
        f'trainingrun_restarts{{cause="failure",{run_labels}}} 1.0',
        f'trainingrun_restarts{{cause="stall",{run_labels}}} 0.0',
        f'trainingrun_restarts{{cause="disruption",{run_labels}}} 2.0',
        f"trainingrun_goodput_ratio{{{run_labels}}} 0.934",
        f"trainingrun_heartbeat_timestamp_seconds{{{run_labels}}} {NOW.timestamp():.9e}",
        f"trainingrun_checkpoint_timestamp_seconds{{{run_labels}}} {NOW.timestamp() - 60:.9e}",
        f'trainingrun_pod_info{{index="1",{run_labels},node="n1",pod="chest-1-1-x"}} 1.0',
    ):
        assert line in page
    series.forget(("team", "chest"))
    assert 'name="chest"' not in rendered(series)


def test_a_metric_that_a_pod_told_twice_is_shown_once() -> None:
    series = RunSeries()
    twice = [Metric(name="loss", value="1"), Metric(name="loss", value="2")]
    series.publish(("team", "chest"), TrainingRunStatus(metrics=twice), (), NOW)
    assert rendered(series).count('metric="loss"') == 1


def test_what_is_not_known_is_not_shown() -> None:
    series = RunSeries()
    series.publish(("team", "chest"), TrainingRunStatus(phase=Phase.PENDING), (), NOW)
    shown = {line.split("{")[0] for line in rendered(series).splitlines() if "chest" in line}
    assert shown == {"trainingrun_status_phase", "trainingrun_restarts"}


def test_the_operators_own() -> None:
    registry = CollectorRegistry()
    own = OperatorMetrics(registry, lambda: 7)
    own.count_request("create", "jobs", 201)
    own.count_request("create", "jobs", 0)
    page = generate_latest(registry).decode()
    assert "trainingrun_operator_queue_depth 7.0" in page
    assert 'trainingrun_operator_api_requests_total{code="201",resource="jobs",verb="create"} 1.0' in page
    assert 'trainingrun_operator_api_requests_total{code="0",resource="jobs",verb="create"} 1.0' in page

"""What Prometheus sees of the operator's own work."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from trainingrun_operator.metrics import FAMILIES, OperatorMetrics


def worked() -> str:
    """The page of an operator that did a bit of everything."""
    registry = CollectorRegistry()
    own = OperatorMetrics(registry, lambda: True, lambda: 7, lambda: 1_700_000_000.5, 300)
    own.count_request("create", "jobs", 201)
    own.count_request("create", "jobs", 0)
    own.count_mismatches(3)
    own.count_scrape(True)
    own.count_scrape(False)
    own.count_attempt("Failure", "OOMKilled")
    own.reconciled("error", 0.02)
    return generate_latest(registry).decode()


def test_what_it_did_is_counted() -> None:
    page = worked()
    for line in (
        "trainingrun_operator_leader 1.0",
        "trainingrun_operator_queue_depth 7.0",
        'trainingrun_operator_api_requests_total{code="201",resource="jobs",verb="create"} 1.0',
        'trainingrun_operator_api_requests_total{code="0",resource="jobs",verb="create"} 1.0',
        "trainingrun_operator_index_audit_mismatches_total 3.0",
        "trainingrun_operator_resync_timestamp_seconds 1.7000000005e+09",
        "trainingrun_operator_resync_interval_seconds 300.0",
        'trainingrun_operator_scrapes_total{result="success"} 1.0',
        'trainingrun_operator_scrapes_total{result="error"} 1.0',
        'trainingrun_operator_attempts_ended_total{outcome="Failure",reason="OOMKilled"} 1.0',
        'trainingrun_operator_reconcile_seconds_bucket{le="0.01",result="error"} 0.0',
        'trainingrun_operator_reconcile_seconds_bucket{le="0.03",result="error"} 1.0',
    ):
        assert line in page.splitlines(), line


def test_the_page_is_what_the_definitions_say() -> None:
    served = {}
    for family in text_string_to_metric_families(worked()):
        if family.samples[0].name.endswith("_created"):
            continue
        counts = family.type == "counter"
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        served[f"{family.name}_total" if counts else family.name] = (
            family.type,
            family.documentation,
            labels,
        )
    assert served == {family: (family.kind, family.help, set(family.labels)) for family in FAMILIES}

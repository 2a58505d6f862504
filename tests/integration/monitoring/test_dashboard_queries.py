"""The dashboards' queries before Prometheus' own judge: each parses, and gives what its panel promises."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.shell import run
from tests.helpers.grafana import filled
from tests.helpers.prometheus import promtool
from tests.integration.monitoring.dashboard_cases import ASKED_AT, CASES
from trainingrun_monitoring.dashboards import queries

PICKED = {
    "namespace": "ml",
    "project": ".*",
    "run": "digits",
    "metric": ".+",
    "job": ".+",
    "instance": ".+",
    "__rate_interval": "5m",
    "__range": "15m",
}
QUERIES = [
    (file.removeprefix("trainingrun-"), title, filled(expr, PICKED)) for file, title, expr in queries()
]


def asked(where: tuple[str, str]) -> str:
    """The first query of a panel."""
    return next(expr for file, title, expr in QUERIES if (file, title) == where)


def judge(folder: Path, groups: list[dict[str, Any]]) -> None:
    """Raises ClusterError with promtool's words where an answer is another."""
    file = folder / "questions.json"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1m", "tests": groups}, indent=2))
    run([promtool(), "test", "rules", file])


@pytest.mark.parametrize("case", CASES)
def test_a_query_answers_what_its_panel_promises(case: str, tmp_path: Path) -> None:
    where, given, found = CASES[case]
    question = {
        "expr": asked(where),
        "eval_time": ASKED_AT,
        "exp_samples": [{"labels": labels, "value": value} for labels, value in found.items()],
    }
    inputs = [{"series": name, "values": values} for name, values in given.items()]
    judge(tmp_path, [{"interval": "1m", "input_series": inputs, "promql_expr_test": [question]}])


def test_every_query_is_understood(tmp_path: Path) -> None:
    questions = [{"expr": expr, "eval_time": ASKED_AT, "exp_samples": []} for _, _, expr in QUERIES]
    judge(tmp_path, [{"interval": "1m", "input_series": [], "promql_expr_test": questions}])

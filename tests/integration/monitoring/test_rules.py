"""The chart's rules before Prometheus' own judge: each alert fires for its cause, and for nothing less."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.shell import run
from tests.helpers.helm import CHART
from tests.helpers.prometheus import promtool
from tests.integration.monitoring.rule_cases import (
    CASES,
    EXPORTER,
    GOOD_RUN,
    PLACED,
    RENAMED,
    Case,
    device,
    pod,
)
from trainingrun_monitoring.rules import GROUPS, Alert
from trainingrun_monitoring.rules.recording import GPU_ACTIVE

RULES = CHART / "rules" / "trainingrun.yaml"
ALERTS = {rule.name: rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)}


def judge(folder: Path, *stories: Mapping[str, Any]) -> None:
    """Raises ClusterError with promtool's words where a story ends otherwise than it says."""
    file = folder / "stories.json"  # JSON is YAML
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "group_eval_order": [group.name for group in GROUPS],
        "tests": stories,
    }
    file.write_text(json.dumps(content, indent=2))
    run([promtool(), "test", "rules", file])


def story(name: str, series: Mapping[str, str], **expected: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A test group of promtool's."""
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    return {"name": name, "interval": "1m", "input_series": inputs, **expected}


def expectations(case: Case) -> list[dict[str, Any]]:
    """The alert with all that people will read of it, or none."""
    alert = ALERTS[case.alert]
    fired = {
        "exp_labels": {**case.labels, "severity": alert.severity},
        "exp_annotations": {key: filled(text, case) for key, text in alert.to_wire()["annotations"].items()},
    }
    return [
        {"eval_time": moment, "alertname": alert.name, "exp_alerts": alerts}
        for moments, alerts in ((case.silent, []), (case.fires, [fired]))
        for moment in moments
    ]


def filled(text: str, case: Case) -> str:
    """An annotation as Prometheus expands it."""
    for label, value in case.labels.items():
        text = text.replace(f"{{{{ $labels.{label} }}}}", value)
    for template in ("{{ $value }}", "{{ $value | humanizePercentage }}"):
        text = text.replace(template, case.value)
    return text


def test_promtool_finds_nothing_wrong_with_the_file() -> None:
    run([promtool(), "check", "rules", "--lint-fatal", RULES])


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_for_its_cause_and_for_nothing_less(alert: str, tmp_path: Path) -> None:
    cases = [case for case in CASES if case.alert == alert]
    assert any(case.fires for case in cases)
    assert any(case.silent for case in cases)
    judge(
        tmp_path,
        *(story(case.story, case.series, alert_rule_test=expectations(case)) for case in cases),
    )


def test_a_good_run_sets_off_nothing(tmp_path: Path) -> None:
    moments = ("0m", "5m", "20m", "101m", "102m", "155m", "300m")
    silence = [
        {"eval_time": moment, "alertname": alert, "exp_alerts": []} for alert in ALERTS for moment in moments
    ]
    judge(tmp_path, story("good", GOOD_RUN, alert_rule_test=silence))


def test_a_story_that_ends_otherwise_is_told(tmp_path: Path) -> None:
    wrong = Case("TrainingRunOperatorDown", "too early", {}, fires=("4m",), labels={})
    with pytest.raises(Exception, match="TrainingRunOperatorDown"):
        judge(tmp_path, story("wrong", {}, alert_rule_test=expectations(wrong)))


@pytest.mark.parametrize(
    ("devices", "samples"),
    [
        (
            {device(**RENAMED): "0.9", device(gpu="1", **RENAMED): "0.8"},
            [("0", "pod", 0.9), ("1", "pod", 0.8)],
        ),
        (
            {device(**EXPORTER): "0.9", device(gpu="1", **EXPORTER): "0"},
            [("0", "node", 0.9), ("1", "node", 0)],
        ),
        ({device(**RENAMED): "0.9", device(gpu="1", **EXPORTER): "0"}, [("0", "pod", 0.9)]),
        ({device(**(RENAMED | {"exported_pod": "else"})): "0.9", pod("other-1-0", run="other"): "1"}, []),
    ],
)
def test_devices_are_those_of_the_pod_or_else_of_its_node(
    devices: Mapping[str, str], samples: Sequence[tuple[str, str, float]], tmp_path: Path
) -> None:
    """The last: a device of somebody else's, and two runs that tell of none."""
    of_run = 'namespace="ml", name="digits", pod="digits-1-0", node="node-1", index="0"'
    expected = [
        {
            "labels": f'{GPU_ACTIVE.name}{{{of_run}, gpu="{gpu}", UUID="GPU-{gpu}", match="{match}"}}',
            "value": value,
        }
        for gpu, match, value in samples
    ]
    question = {"expr": GPU_ACTIVE.name, "eval_time": "0m", "exp_samples": expected}
    judge(tmp_path, story("devices", {**PLACED, **devices}, promql_expr_test=[question]))

"""The chart's rules in a hurry: the same expressions, with shorter times."""

import json
import re
from typing import Any

import yaml

from tests.helpers.helm import CHART

Object = dict[str, Any]
RULES = CHART / "rules" / "trainingrun.yaml"
DURATION = re.compile(r"(\d+)(ms|[smhd])")
RANGE = re.compile(r"\[([^\]]*)\]")
WANTS_A_FAULT = {
    "TrainingRunLowGoodput",
    "TrainingRunOperatorQueueBacklog",
    "TrainingRunOperatorResyncOverdue",
    "TrainingRunOperatorReconcileErrors",
    "TrainingRunTrainersUnreachable",
}
"""Alerts for what a healthy cluster does not do within minutes: tests/integration/operator/test_alerts.py."""
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def alerts(rules: Object) -> set[str]:
    """The names of all alerts in a rule file."""
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}


def read() -> Object:
    """The rule file that the chart ships."""
    rules: Object = yaml.safe_load(RULES.read_text())
    return rules


def text(rules: Object) -> str:
    """A rule file; JSON is YAML."""
    return json.dumps(rules)


def hastened(rules: Object, times: int) -> Object:
    """The rules with each `for` and each range so many times as short; numbers of seconds stay as they are.

    Raises ValueError for a range that holds more than a duration.
    """
    return {
        "groups": [
            {**group, "rules": [_hastened(rule, times) for rule in group["rules"]]}
            for group in rules["groups"]
        ]
    }


def _hastened(rule: Object, times: int) -> Object:
    expr = RANGE.sub(lambda found: f"[{_shorter(found[1], times)}]", rule["expr"])
    waits = {"for": _shorter(rule["for"], times)} if "for" in rule else {}
    return {**rule, "expr": expr, **waits}


def _shorter(duration: str, times: int) -> str:
    if not (found := DURATION.fullmatch(duration)):
        raise ValueError(f"no duration: {duration}")
    return f"{1000 * int(found[1]) * SECONDS[found[2]] / times:.0f}ms"

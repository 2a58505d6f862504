"""The rules and their runbooks: in the words of the metrics, and complete. promtool judges what they do."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tests.cluster.api import TREE
from tests.helpers.promql import read
from tests.unit.monitoring.dashboards.test_queries import EXPORTED
from trainingrun_api import TrainingRunStatus
from trainingrun_monitoring.rules import GROUPS, Alert, Record
from trainingrun_monitoring.rules.rule import RUNBOOKS

RULES = [rule for group in GROUPS for rule in group.rules]
ALERTS = [rule for rule in RULES if isinstance(rule, Alert)]
RECORDS = [rule for rule in RULES if isinstance(rule, Record)]
RECORDED = {
    rule.name: frozenset(read(rule.expr).labels | read(rule.expr).made) for rule in RECORDS
}  # of those that sum; a record that repeats another one's labels names none
SECTIONS = ["## What it means", "## Look at", "## Do", "## False alarms"]


def labels_of(series: str) -> frozenset[str]:
    """Those that a series can have, recorded or exported."""
    return RECORDED.get(series) or EXPORTED.get(series) or frozenset({"namespace", "name"})


def test_names_are_told_apart_by_their_kind() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"TrainingRun([A-Z][a-z]+|GPU)+", alert.name) for alert in ALERTS)
    assert all(re.fullmatch(r"trainingrun:\w+:\w+", record.name) for record in RECORDS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_names_only_series_and_labels_that_there_are(rule: Alert | Record) -> None:
    reading = read(rule.expr)
    known = set(reading.made)
    for selector in reading.selectors:
        assert selector.name in {*EXPORTED, *RECORDED}, selector
        assert set(selector.matched) <= labels_of(selector.name), selector
        known |= labels_of(selector.name)
    assert reading.labels - {""} <= known  # a label that is the same everywhere has no source


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_the_words_of_an_alert_are_complete(alert: Alert) -> None:
    annotations = alert.to_wire()["annotations"]
    for key in ("summary", "description"):
        text = re.sub(r"{{ \$(labels\.\w+|value( \| humanizePercentage)?) }}", "x", annotations[key])
        assert text
        assert not re.search(r"[{}$]", text), text
    assert not alert.summary.endswith(".")
    assert alert.description.endswith(".")
    assert len(alert.summary) <= 120


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_runbook(alert: Alert) -> None:
    url = alert.to_wire()["annotations"]["runbook_url"]
    text = (TREE / url).read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## .*", text, re.MULTILINE) == SECTIONS
    assert f"`{alert.severity}`" in text.split("##")[0]
    assert alert.hold == "0m" or f"`{alert.hold}`" in text, "how long it must hold"
    for number in re.findall(r"(?:[<>]=?) ([\d.]+)", alert.expr):
        assert number in {"0", "1"} or number in text, f"the threshold {number} is not explained"


def test_a_runbook_has_an_alert() -> None:
    names = [alert.name for alert in ALERTS]
    assert {path.stem for path in (TREE / RUNBOOKS).glob("TrainingRun*.md")} == {*names}
    index = (TREE / RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\)", index, re.MULTILINE) == names


@pytest.mark.parametrize("path", sorted((TREE / RUNBOOKS).glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_asks_for_what_there_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL):
        for selector in read(query).selectors:
            assert selector.name in {*EXPORTED, *RECORDED, "up"}, selector
    for fields in re.findall(r"\{\.status\.([\w.]+)\}", text):
        known: type[BaseModel] = TrainingRunStatus
        for name in fields.split("."):
            field = {field.alias or key: field for key, field in known.model_fields.items()}[name]
            known = next((kind for kind in get_args(field.annotation) if isinstance(kind, type)), BaseModel)

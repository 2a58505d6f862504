"""What a Prometheus rule is, and how a file of them is written.

Format: https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/ and .../alerting_rules/.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

RUNBOOKS = "docs/runbooks"
"""Where each alert's runbook stands; the chart puts the address that people can open in its place."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule: a series that several readers would otherwise compute alike."""

    name: str
    expr: str

    def to_wire(self) -> dict[str, Any]:
        """As in the file."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule."""

    name: str
    expr: str
    hold: str
    """How long `expr` must answer before the alert fires, such as 5m."""
    severity: Literal["warning", "critical"]
    """critical where work is being lost or nothing is looked after, and nobody but a person will mend it."""
    summary: str
    """One line that says which run, by the labels of the answer."""
    description: str
    """What it means and what follows."""

    def to_wire(self) -> dict[str, Any]:
        """As in the file."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.hold,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.name}.md",
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, one after the other."""

    name: str
    rules: Sequence[Record | Alert]

    def to_wire(self) -> dict[str, Any]:
        """As in the file."""
        return {"name": self.name, "rules": [rule.to_wire() for rule in self.rules]}


class _Dumper(yaml.SafeDumper):
    """Long expressions stay in the lines in which they were written."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def document(groups: Sequence[Group]) -> str:
    """A rule file."""
    content = {"groups": [group.to_wire() for group in groups]}
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)

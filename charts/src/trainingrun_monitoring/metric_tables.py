"""The tables of docs/metrics.md, from the definitions that the exporters use."""

import re
from collections.abc import Iterable

from trainingrun_api import telemetry
from trainingrun_api.exposition import MetricFamily
from trainingrun_operator import metrics, run_series

RANKS_PREFIX = "trainer_rank_"


def _defined(module: object) -> list[MetricFamily]:
    """The families of a module, in the order in which it defines them."""
    return [value for value in vars(module).values() if isinstance(value, MetricFamily)]


TABLES = {
    "runs": [*run_series.FAMILIES],
    "operator": [*metrics.FAMILIES],
    "trainer": [family for family in _defined(telemetry) if not family.startswith(RANKS_PREFIX)],
    "ranks": [family for family in _defined(telemetry) if family.startswith(RANKS_PREFIX)],
}
"""By the name in the document's marks."""


def filled(document: str) -> str:
    """The document with its tables written anew, between `<!-- table: NAME -->` and `<!-- end -->`.

    Raises KeyError for a name that is no table's.
    """

    def table(mark: re.Match[str]) -> str:
        return f"<!-- table: {mark[1]} -->\n{_markdown(TABLES[mark[1]])}\n<!-- end -->"

    return re.sub(r"<!-- table: (\w+) -->\n.*?<!-- end -->", table, document, flags=re.DOTALL)


def _markdown(families: Iterable[MetricFamily]) -> str:
    rows = [("Metric", "Type", "Labels", "Unit", "Value"), ("---",) * 5]
    rows += [
        (_code(family), family.kind, ", ".join(map(_code, family.labels)), family.unit, family.help)
        for family in families
    ]
    return "\n".join(" ".join(f"| {' | '.join(row)} |".split()) for row in rows)


def _code(word: str) -> str:
    return f"`{word}`"

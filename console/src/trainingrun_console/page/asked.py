"""What the address of the list of runs asks for, and the addresses of what lies beside it. Pure.

Addresses are what people keep and send to each other, so what is not understood in one is left out, never an
error.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import SORTS, Filter

SINCE = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""Spans back from now, as an address writes them."""
NEWEST = "-created_at"
PAGE_SIZE = 50
LONGEST = 200
"""Characters of a text that is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One list of runs."""

    namespace: str = ""
    project: str = ""
    phases: tuple[Phase, ...] = ()
    since: str = ""
    text: str = ""
    sort: str = NEWEST
    cursor: str = ""

    def filter(self, visible: Sequence[str] | None, now: datetime) -> Filter:
        """For the history; `visible` are the namespaces that the caller may see, None: all."""
        namespaces = visible
        if self.namespace:
            namespaces = [self.namespace] if visible is None or self.namespace in visible else []
        return Filter(
            namespaces=namespaces,
            projects=[self.project] if self.project else [],
            phases=self.phases,
            created_from=now - SINCE[self.since] if self.since else None,
            text=self.text,
        )

    def query(self, **changes: Any) -> str:
        """The query of the same list with changes; without its cursor, for another list has other pages."""
        other = replace(self, **{"cursor": "", **changes})
        pairs = [
            ("q", other.text),
            ("namespace", other.namespace),
            ("project", other.project),
            *(("phase", str(phase)) for phase in other.phases),
            ("since", other.since),
            ("sort", "" if other.sort == NEWEST else other.sort),
            ("cursor", other.cursor),
        ]
        return urlencode([(name, value) for name, value in pairs if value])

    def toggled(self, phase: Phase) -> str:
        """The query with that phase wanted or, where it was, not any more."""
        rest = tuple(each for each in self.phases if each != phase)
        return self.query(phases=rest if phase in self.phases else (*rest, phase))

    def sorted_by(self, column: str) -> str:
        """The query sorted by a column; by the same one as now, the other way round."""
        first = f"-{column}" if column in ("created_at", "monitor_value", "percent") else column
        turned = column if first.startswith("-") else f"-{column}"
        return self.query(sort=turned if self.sort == first else first)

    def direction(self, column: str) -> str:
        """As aria-sort says it; empty where the list is not sorted by that column."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort, "")

    @property
    def narrowed(self) -> bool:
        """Whether some runs are left out."""
        return bool(self.namespace or self.project or self.phases or self.since or self.text)


def asked(pairs: Iterable[tuple[str, str]]) -> Asked:
    """Of the pairs of a query string."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value.strip())

    def last(name: str) -> str:
        return given.get(name, [""])[-1][:LONGEST]

    sort, since = last("sort"), last("since")
    wanted = given.get("phase", [])
    return Asked(
        namespace=last("namespace"),
        project=last("project"),
        phases=tuple(phase for phase in Phase if phase in wanted),
        since=since if since in SINCE else "",
        text=last("q"),
        sort=sort if sort.removeprefix("-") in SORTS else NEWEST,
        cursor=given.get("cursor", [""])[-1],
    )

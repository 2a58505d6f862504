"""The rows of a table panel: what Grafana's transformations `merge` and `organize` make of its answers."""

from functools import partial

from tests.helpers.grafana import Object
from tests.preview.answers import Answer
from tests.preview.units import formatted

Row = dict[str, str | float]


def cells(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Header and rows, as text."""
    rows = _merged(answer)
    organised = _organised(answer.panel.definition)
    excluded, renamed = organised.get("excludeByName", {}), organised.get("renameByName", {})
    order = organised.get("indexByName", {})
    columns = sorted(
        {column for row in rows for column in row if not excluded.get(column)},
        key=lambda column: (order.get(column, len(order)), column),
    )
    for sort in answer.panel.definition.get("options", {}).get("sortBy", []):
        for key in columns:  # none, where no row has a value to sort by
            if renamed.get(key, key) == sort["displayName"]:
                rows.sort(key=partial(_rank, key), reverse=sort.get("desc", False))
    header = [renamed.get(column, column) for column in columns]
    own = {title: answer.panel.own(title) for title in header}
    return header, [
        [_text(row.get(column), own[title]) for column, title in zip(columns, header, strict=True)]
        for row in rows
    ]


def _merged(answer: Answer) -> list[Row]:
    """A row for each set of labels, with a column for the value of each query."""
    alone = len(answer.panel.targets) == 1
    rows: dict[tuple[tuple[str, str], ...], Row] = {}
    for named in answer.shown:
        labels = {name: value for name, value in named.series.labels.items() if name != "__name__"}
        row = rows.setdefault(tuple(sorted(labels.items())), {**labels})
        row["Value" if alone else f"Value #{named.target}"] = named.series.value
    return list(rows.values())


def _organised(definition: Object) -> Object:
    for step in definition.get("transformations", []):
        if step["id"] == "organize":
            options: Object = step["options"]
            return options
    return {}


def _text(value: str | float | None, properties: Object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    for mapping in properties.get("mappings", []):
        if found := mapping["options"].get(f"{value:.0f}"):
            return str(found["text"])
    return formatted(value, properties.get("unit", "none"))


def _rank(key: str, row: Row) -> tuple[bool, float, str]:
    """Absent values below all others."""
    value = row.get(key)
    return value is not None, value if isinstance(value, float) else 0.0, str(value)

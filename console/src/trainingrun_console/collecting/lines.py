"""Lines of rank 0's log -> epochs and results. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainingrun_client.log_lines import LogLine
from trainingrun_console.collecting.leniently import LARGEST, items, mapping, moment, storable, text, whole
from trainingrun_console.collecting.merging import Account, Source, Weight, clean
from trainingrun_console.history.records import Artifact

MOST_ARTIFACTS = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run left."""

    results: Mapping[str, Any]
    """As in results.json."""
    artifacts: tuple[Artifact, ...] = ()
    provenance: Mapping[str, Any] | None = None


def accounts(lines: Iterable[LogLine], at: datetime) -> list[Account]:
    """Of the epochs that lines report."""
    found = []
    for line in lines:
        epoch = None if line.epoch is None else clean(line.epoch, moment(line.time[:19] + "Z") or at)
        if epoch is not None:
            found.append(Account(Weight(line.attempt, Source.LOG), epoch))
    return found


def outcome(lines: Iterable[LogLine]) -> Outcome | None:
    """What the last line with results says; None without one."""
    told = [line.fields for line in lines if isinstance(line.fields.get("results"), Mapping)]
    return outcome_of(told[-1]) if told else None


def outcome_of(fields: Mapping[str, Any]) -> Outcome:
    """Of an object with `results`, `artifacts` and `provenance`."""
    artifacts = [
        Artifact(path, size)
        for each in items(fields, "artifacts")
        if (path := text(each, "path")) is not None
        and is_inside(path)
        and (size := whole(each, "size", most=LARGEST)) is not None
    ]
    return Outcome(
        storable(mapping(fields, "results")),
        tuple(artifacts[:MOST_ARTIFACTS]),
        storable(mapping(fields, "provenance")) or None,
    )


def is_inside(path: str) -> bool:
    """Whether a path stays in its directory."""
    return not path.startswith("/") and ".." not in path.split("/") and path not in ("", ".")

"""What the final statuses of two equal runs have in common: all but times, speeds and generated names."""

import json
import re
from collections.abc import Collection
from typing import Any

Object = dict[str, Any]

PASSING_ENDINGS = ("Time", "Seconds")
PASSING = {"time", "samplesPerSecond", "goodput", "runDirectory", "path"}
"""Keys of what differs from run to run."""


def comparable(status: Object, run: str, unheard: Collection[str] = ()) -> Object:
    """A status to be compared with that of an equal run, which may have another name; without the keys that
    nobody could hear of."""
    found: Object = json.loads(plain(json.dumps(_lasting(status, PASSING.union(unheard))), run))
    return found


def plain(text: str, run: str) -> str:
    """A text with the run called `run`, and its pods without the random ends of their names."""
    text = re.sub(rf"\b{run}-(\d+)-(\d+)-[a-z0-9]{{5}}\b", r"run-\1-\2-xxxxx", text)
    return re.sub(rf"\b{run}\b", "run", text)


def _lasting(value: Any, passing: Collection[str]) -> Any:
    match value:
        case list():
            return [_lasting(item, passing) for item in value]
        case dict():
            lasting = (key for key in value if not key.endswith(PASSING_ENDINGS) and key not in passing)
            return {key: _lasting(value[key], passing) for key in lasting}
        case _:
            return value

"""Numbers and times as people read them on a screen. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from trainingrun_operator.times import human_duration

LEVELS = "▁▂▃▄▅▆▇█"
PLAIN_LEVELS = "_.-=+*#@"
DONE, TO_DO = "━", "─"
PLAIN_DONE, PLAIN_TO_DO = "#", "."


def age(then: datetime | str | None, now: datetime) -> str:
    """Time since then, such as 2h5m; empty where nothing is known."""
    if then is None:
        return ""
    moment = datetime.fromisoformat(then) if isinstance(then, str) else then
    return human_duration(max((now - moment).total_seconds(), 0.0))


def number(value: object, digits: int = 4) -> str:
    """With so many significant digits; empty where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"


def sparkline(values: Sequence[float], width: int = 32, levels: str = LEVELS) -> str:
    """The course of a metric in a word: at most `width` characters, each the mean of a stretch."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    count = min(width, len(finite))
    edges = [round(place * len(finite) / count) for place in range(count + 1)]
    means = [sum(finite[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    top = len(levels) - 1
    return "".join(
        levels[round(top * (mean - low) / (high - low)) if high > low else top // 2] for mean in means
    )


def bar(percent: int, width: int = 32, done: str = DONE, to_do: str = TO_DO) -> str:
    """A share as a bar."""
    filled = round(width * max(0, min(percent, 100)) / 100)
    return done * filled + to_do * (width - filled)

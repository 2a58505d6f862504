"""Values as Grafana writes them, by its ids of units. Nearly: enough to judge a panel by its picture."""

from collections.abc import Callable
from datetime import UTC, datetime


def formatted(value: float, unit: str) -> str:
    """The value with its unit; plain where the id is not known here, with the id behind it."""
    if value != value:
        return "NaN"
    if unit in FORMATS:
        return FORMATS[unit](value)
    return f"{_plain(value)} {unit}"


def _plain(value: float) -> str:
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.4g}"


def _scaled(base: float, suffixes: tuple[str, ...], first: float = 1.0) -> Callable[[float], str]:
    """Steps of one base with a suffix each; values are in multiples of `first`."""

    def text(value: float) -> str:
        value *= first
        step = 0
        while abs(value) >= base and step < len(suffixes) - 1:
            value, step = value / base, step + 1
        return f"{value:.3g}{suffixes[step]}"

    return text


def _seconds(value: float) -> str:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= size:
            return f"{value / size:.3g} {word}"
    return f"{value * 1000:.3g} ms"


def _moment(value: float) -> str:
    """From milliseconds."""
    return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


_BYTES = (" B", " KiB", " MiB", " GiB", " TiB")
_COUNTS = ("", " K", " Mil", " Bil")
FORMATS: dict[str, Callable[[float], str]] = {
    "none": _plain,
    "short": _scaled(1000, _COUNTS),
    "sci": lambda value: f"{value:.2e}",
    "percentunit": lambda value: f"{100 * value:.3g}%",
    "percent": lambda value: f"{value:.3g}%",
    "s": _seconds,
    "h": lambda value: _seconds(3600 * value),
    "ms": lambda value: _seconds(value / 1000),
    "bytes": _scaled(1024, _BYTES),
    "decmbytes": _scaled(1000, (" B", " kB", " MB", " GB", " TB"), 1e6),
    "mbytes": _scaled(1024, _BYTES, 2**20),
    "reqps": lambda value: f"{value:.3g} req/s",
    "ops": lambda value: f"{value:.3g} ops/s",
    "cps": lambda value: f"{value:.3g} c/s",
    "dateTimeAsIso": _moment,
}
"""By Grafana's id."""

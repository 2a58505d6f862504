"""What is said of a family of Prometheus series in one place: its exporter, its readers, the dashboards, the
alerts and docs/metrics.md all take it from here.

Conventions: https://prometheus.io/docs/practices/naming/. An epoch, step, path or image is never a label.
"""

from typing import Literal, Self

Kind = Literal["gauge", "counter", "histogram"]


class MetricFamily(str):
    """The name of the series, with what they mean.

    It is a string, for that is what exporters and readers of a page compare. A counter's name ends in
    `_total`; a histogram's series carry `_bucket`, `_sum` and `_count` behind it.
    """

    kind: Kind
    help: str
    """One line without a full stop; `code` in backticks."""
    labels: tuple[str, ...]
    unit: str
    """In the plural; empty for what has none."""
    __slots__ = ("help", "kind", "labels", "unit")

    def __new__(cls, name: str, kind: Kind, help: str, labels: tuple[str, ...] = (), unit: str = "") -> Self:
        family = super().__new__(cls, name)
        family.kind, family.help, family.labels, family.unit = kind, help, labels, unit
        return family


def gauge(name: str, help: str, *labels: str, unit: str = "") -> MetricFamily:
    """A value that goes up and down."""
    return MetricFamily(name, "gauge", help, labels, unit)


def counter(name: str, help: str, *labels: str, unit: str = "") -> MetricFamily:
    """A value that only grows until its process ends."""
    return MetricFamily(name, "counter", help, labels, unit)


def histogram(name: str, help: str, *labels: str, unit: str = "") -> MetricFamily:
    """Counts by upper bound."""
    return MetricFamily(name, "histogram", help, labels, unit)

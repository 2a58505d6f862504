"""Draws every dashboard of the chart into a PNG: `make dashboards-preview`.

From a Prometheus that runs, where one is named, with the runs that it knows; else from a made-up history.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.api import ClusterError
from tests.cluster.shell import step
from tests.helpers.grafana import chosen, dashboards
from tests.helpers.prometheus import Prometheus
from tests.preview import history, stories
from tests.preview.answers import TimeRange, ask
from tests.preview.drawing import draw

OUT = Path("build/dashboards")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.preview", description=__doc__)
    parser.add_argument("--prometheus", metavar="URL", default="", help="of one that runs")
    parser.add_argument("--hours", type=float, default=1.0, help="back from now, with --prometheus")
    parser.add_argument("--scrape-seconds", type=float, default=30.0, help="between two scrapes, with it")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a variable that takes one value"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    variables = dict(pair.split("=", 1) for pair in given.set)
    if given.prometheus:
        now = time.time()
        times = TimeRange(now - 3600 * given.hours, now, given.scrape_seconds)
        sheets(Prometheus(given.prometheus), times, variables, given.out)
        return 0
    try:
        with _made_up() as prometheus:
            sheets(prometheus, history.TIMES, {"run": stories.RUN, **variables}, given.out)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


@contextmanager
def _made_up() -> Iterator[Prometheus]:
    with tempfile.TemporaryDirectory() as folder, history.made_up(Path(folder)) as prometheus:
        yield prometheus


def sheets(prometheus: Prometheus, times: TimeRange, given: Mapping[str, str], out: Path) -> None:
    """Draw all dashboards of the chart."""
    out.mkdir(parents=True, exist_ok=True)
    for dashboard in dashboards():
        with step(f"drawing {dashboard.uid}"):
            variables = chosen(prometheus, dashboard, given, times.end)
            drawn = draw(ask(prometheus, dashboard, times, variables))
            drawn.savefig(out / f"{dashboard.uid}.png")
            print(out / f"{dashboard.uid}.png")


if __name__ == "__main__":
    raise SystemExit(main())

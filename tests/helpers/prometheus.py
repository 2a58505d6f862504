"""Debian's Prometheus as a process of the test's own, and questions to any Prometheus."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.api import UnsupportedMachineError
from tests.cluster.debian import unpacked
from tests.cluster.shell import tail, wait_until
from tests.helpers.ports import free_port

Object = dict[str, Any]
START_SECONDS = 60
ANSWER_SECONDS = 30


class PrometheusError(Exception):
    """It did not start, or refused a query; the message holds its own words."""


@dataclass(frozen=True)
class Series:
    """One series of an answer."""

    labels: Mapping[str, str]
    """With `__name__` where it has one."""
    points: tuple[tuple[float, float], ...]
    """Unix seconds and value; one of them in the answer to an instant query."""

    @property
    def value(self) -> float:
        """The newest."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Prometheus:
    """The HTTP API of a Prometheus: https://prometheus.io/docs/prometheus/latest/querying/api/."""

    url: str

    def query(self, expr: str, at: float | None = None) -> list[Series]:
        """The answer for one moment, in Unix seconds; now where none is given. Raises PrometheusError."""
        moment = {} if at is None else {"time": f"{at:.3f}"}
        return self._series("query", {"query": expr, **moment})

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """The answers from `start` to `end`, `step` seconds apart. Raises PrometheusError."""
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._series("query_range", {"query": expr, **times})

    def value(self, expr: str) -> float | None:
        """The value of the only series of an answer; None where there is none. Raises PrometheusError."""
        series = self.query(expr)
        if len(series) > 1:
            raise PrometheusError(f"{expr}: {len(series)} series where one was expected")
        return series[0].value if series else None

    def firing(self, **labels: str) -> set[str]:
        """The names of the alerts that fire now, and carry these labels."""
        alerts: list[Object] = self._get("alerts")["alerts"]
        return {
            alert["labels"]["alertname"]
            for alert in alerts
            if alert["state"] == "firing" and labels.items() <= alert["labels"].items()
        }

    def targets(self) -> list[Object]:
        """Those that are scraped: labels, health and last error of each."""
        found: list[Object] = self._get("targets?state=active")["activeTargets"]
        return found

    def ill_rules(self) -> dict[str, str]:
        """Rules whose evaluation failed, and why."""
        groups: list[Object] = self._get("rules")["groups"]
        return {
            rule["name"]: rule["lastError"]
            for group in groups
            for rule in group["rules"]
            if rule.get("lastError")
        }

    def _series(self, path: str, form: Mapping[str, str]) -> list[Series]:
        data = self._get(path, form)
        if data["resultType"] == "scalar":
            return [Series({}, (_point(data["result"]),))]
        return [
            Series(found["metric"], tuple(map(_point, found.get("values", [found.get("value")]))))
            for found in data["result"]
        ]

    def _get(self, path: str, form: Mapping[str, str] | None = None) -> Object:
        body = urllib.parse.urlencode(form).encode() if form else None  # a long query fits no address
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=ANSWER_SECONDS) as answer:
                data: Object = json.load(answer)["data"]
                return data
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode(errors="replace")
            raise PrometheusError(f"{form or path}: {words}") from error


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def binary(name: str) -> Path:
    """`prometheus` or `promtool`. Raises UnsupportedMachineError where it cannot be had."""
    return unpacked("prometheus") / "usr" / "bin" / name


def promtool() -> Path:
    """The binary; skips the test where it cannot be had."""
    try:
        return binary("promtool")
    except UnsupportedMachineError as error:
        pytest.skip(str(error))


@contextmanager
def serving(
    folder: Path,
    scrape_configs: Sequence[Object] = (),
    rule_files: Sequence[Path] = (),
    evaluation_seconds: float = 2,
) -> Iterator[Prometheus]:
    """A Prometheus over a folder, with what an earlier one or promtool left in its `data`.

    Raises:
        UnsupportedMachineError: this machine has none.
        PrometheusError: it did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.json"  # JSON is YAML
    interval = f"{evaluation_seconds * 1000:.0f}ms"
    config.write_text(
        json.dumps(
            {
                "global": {"evaluation_interval": interval},
                "scrape_configs": [*scrape_configs],
                "rule_files": [str(file) for file in rule_files],
            },
            indent=2,
        )
    )
    port = free_port()
    log = folder / "prometheus.log"
    command: list[str | Path] = [
        binary("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=10y",
        "--log.level=warn",
    ]
    with log.open("a") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")

        def ready() -> bool:
            if process.poll() is not None:
                raise PrometheusError(f"it exited {process.returncode}; the end of {log}:\n{tail(log)}")
            return _answers(f"{prometheus.url}/-/ready")

        wait_until("Prometheus to be ready", ready, seconds=START_SECONDS)
        yield prometheus
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):
            return True
    except OSError:
        return False

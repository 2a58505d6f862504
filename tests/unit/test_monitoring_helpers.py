"""What the tests of monitoring stand on: rules in a hurry, and GPUs that are not there."""

import re
import urllib.request

import pytest

from tests.helpers.gpu_exporter import EXPORTER, Device, Way, exporting
from tests.helpers.rules import alerts, hastened, read
from trainingrun_monitoring import dcgm


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"alert": "A", "expr": "rate(x[5m]) > 0.3 and y[1h] > 3600", "for": "15m"},
            {"alert": "A", "expr": "rate(x[10000ms]) > 0.3 and y[120000ms] > 3600", "for": "30000ms"},
        ),
        ({"record": "r", "expr": "max(x)"}, {"record": "r", "expr": "max(x)"}),
        ({"alert": "A", "expr": "x", "for": "0m"}, {"alert": "A", "expr": "x", "for": "0ms"}),
    ],
)
def test_ranges_and_waits_are_shortened_and_thresholds_are_not(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    rules = {"groups": [{"name": "g", "rules": [given]}]}
    assert hastened(rules, 30) == {"groups": [{"name": "g", "rules": [expected]}]}


def test_a_range_that_is_more_than_a_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="1h:5m"):
        hastened({"groups": [{"rules": [{"expr": "max_over_time(x[1h:5m])"}]}]}, 30)


def test_the_rules_of_the_chart_can_be_hastened() -> None:
    rules = read()
    found = hastened(rules, 30)
    assert alerts(found) == alerts(rules) != set()
    ranges = [text for group in found["groups"] for rule in group["rules"] for text in _ranges(rule["expr"])]
    assert ranges
    assert all(text.endswith("ms") for text in ranges)


def _ranges(expr: str) -> list[str]:
    return re.findall(r"\[(.*?)\]", expr)


def test_each_way_of_the_exporter_has_a_page_of_its_own() -> None:
    devices = [Device(way, "n1", "ml", f"{way}-0", number, active=0.25) for number, way in enumerate(Way)]
    with exporting(devices) as exporter:
        configs = {config["metrics_path"].strip("/"): config for config in exporter.scrape_configs("2s")}
        pages = {way: _read(f"http://127.0.0.1:{exporter.port}/{way}") for way in Way}
    assert {way: config["honor_labels"] for way, config in configs.items()} == {
        Way.RENAMED: False,
        Way.HONOURED: True,
        Way.UNTOLD: False,
    }
    assert configs[Way.UNTOLD]["static_configs"][0]["labels"] == EXPORTER
    assert 'pod="renamed-0"' in pages[Way.RENAMED]
    assert 'pod="honoured-0"' in pages[Way.HONOURED]
    assert "pod=" not in pages[Way.UNTOLD]
    for page in pages.values():
        assert re.search(rf'^{dcgm.ENGINE_ACTIVE}{{.*Hostname="n1".*}} 0\.25$', page, re.MULTILINE)


def _read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        text: str = answer.read().decode()
        return text

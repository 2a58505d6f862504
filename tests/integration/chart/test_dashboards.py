"""How the dashboards come to Grafana: as ConfigMaps that the sidecar of its chart finds."""

import json

import pytest

from tests.helpers.helm import CHART, Object, objects
from trainingrun_monitoring.dashboards import DASHBOARDS


def config_maps(*settings: str) -> list[Object]:
    return [document for document in objects(*settings) if document["kind"] == "ConfigMap"]


def test_each_dashboard_is_delivered_as_it_was_generated() -> None:
    delivered = {file: text for found in config_maps() for file, text in found["data"].items()}
    assert {file: json.loads(text) for file, text in delivered.items()} == DASHBOARDS
    for file, text in delivered.items():
        assert text == (CHART / "dashboards" / file).read_text(), "Helm took a legend for its own"


def test_each_has_a_name_of_its_own_that_tells_the_release() -> None:
    names = [found["metadata"]["name"] for found in config_maps()]
    assert sorted(names) == [
        f"trainingrun-operator-dashboard-{name}" for name in ("compare", "fleet", "operator", "run")
    ]


@pytest.mark.parametrize(
    ("settings", "label", "annotations"),
    [
        ([], ("grafana_dashboard", "1"), {"grafana_folder": "TrainingRun"}),
        (["dashboards.folder="], ("grafana_dashboard", "1"), None),
        (
            [
                "dashboards.labels.team=ml",
                "dashboards.annotations.note=x",
                "dashboards.folder=Machine learning",
            ],
            ("team", "ml"),
            {"grafana_folder": "Machine learning", "note": "x"},
        ),
    ],
)
def test_the_sidecar_finds_it_and_knows_its_folder(
    settings: list[str], label: tuple[str, str], annotations: dict[str, str] | None
) -> None:
    for found in config_maps(*settings):
        assert label in found["metadata"]["labels"].items()
        assert found["metadata"].get("annotations") == annotations


def test_none_is_delivered_where_nobody_wants_them() -> None:
    assert config_maps("dashboards.enabled=false") == []

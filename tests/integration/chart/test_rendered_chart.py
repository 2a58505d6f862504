"""What the chart renders, word for word: the permissions, the pod and its security are reviewed there.

The CustomResourceDefinition, the dashboards and the rules are left out: they are generated, and compared
with their definitions.
"""

import os
from pathlib import Path

import pytest

from tests.helpers.helm import render

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("default", []),
        (
            "namespaced",
            [
                "watchNamespaces={team-a,team-b}",
                f"image.digest=sha256:{'a' * 64}",
                "image.pullSecrets={registry}",
                "trainerImage.repository=registry.example.com/trainer",
                "trainerImage.tag=v2",
                "trainerImage.pullPolicy=Always",
                "serviceAccount.annotations.team=ml",
                "podLabels.team=ml",
                "podAnnotations.note=x",
                "nodeSelector.pool=system",
                "tolerations[0].operator=Exists",
                "logs.format=text",
            ],
        ),
        (
            "monitored",
            [
                "watchNamespaces={team-a,team-b}",
                "serviceMonitor.enabled=true",
                "serviceMonitor.interval=30s",
                "serviceMonitor.labels.release=prometheus",
                "podMonitor.enabled=true",
                "podMonitor.scrapeTimeout=5s",
                "networkPolicy.enabled=true",
                "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring",
            ],
        ),
        (
            "shared",
            [
                "replicas=2",
                "podDisruptionBudget.enabled=true",
                "admissionPolicy.requireJobCreation=true",
                "networkPolicy.enabled=true",
                "networkPolicy.egress=true",
                "networkPolicy.trainingNamespaces={team-a}",
                "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring",
                "trainingPods.nodeSelector.pool=gpu",
                "trainingPods.tolerations[0].key=nvidia.com/gpu",
                "trainingPods.tolerations[0].operator=Exists",
            ],
        ),
    ],
)
def test_the_chart_renders_what_was_reviewed(name: str, settings: list[str]) -> None:
    """`UPDATE_GOLDEN=1` writes the reviewed copy anew; then read the difference."""
    reviewed = HERE / f"{name}.yaml"
    rendered = render("crds.create=false", "dashboards.enabled=false", *settings)
    if os.environ.get("UPDATE_GOLDEN"):
        reviewed.write_text(rendered)
    assert rendered == reviewed.read_text()

"""Values under which the chart is rendered, by the name of the reviewed copy."""

from collections.abc import Mapping, Sequence

MATRIX: Mapping[str, Sequence[str]] = {
    "default": [],
    "namespaced": [
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
    "monitored": [
        "watchNamespaces={team-a,team-b}",
        "serviceMonitor.enabled=true",
        "serviceMonitor.interval=30s",
        "serviceMonitor.labels.release=prometheus",
        "podMonitor.enabled=true",
        "podMonitor.scrapeTimeout=5s",
        "networkPolicy.enabled=true",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring",
    ],
    "shared": [
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
}

"""What a run and its pods say, read through the API server: it reaches pods on every kind of cluster."""

from dataclasses import dataclass
from typing import cast

from kubernetes import client, config
from prometheus_client.parser import text_string_to_metric_families
from urllib3.exceptions import HTTPError

from tests.cluster.api import Cluster
from tests.helpers.runs import Object
from trainingrun_api import names, telemetry
from trainingrun_api.telemetry import TrainerPhase

FETCH_SECONDS = 5


@dataclass(frozen=True)
class RankState:
    """What one rank does, by its pod's main process."""

    phase: TrainerPhase
    step: int


class Reader:
    """Reads with one connection and without a process for each look, because the moments are short.

    Pages of pods that do not answer are empty.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        settings = client.Configuration()
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(cluster.kubeconfig), client_configuration=settings
        )
        settings.retries = False
        connection = client.ApiClient(settings)
        self._api, self._objects = client.CoreV1Api(connection), client.CustomObjectsApi(connection)
        self._namespace = namespace

    def status(self, run: str) -> Object:
        """`status` of a TrainingRun; empty where it has none yet or cannot be read now."""
        place = (names.GROUP, names.VERSION, self._namespace, names.PLURAL, run)
        try:
            found = self._objects.get_namespaced_custom_object(*place, _request_timeout=FETCH_SECONDS)
        except (client.ApiException, HTTPError):
            return {}
        return dict(cast(Object, found).get("status", {}))

    def rank(self, pod: str, rank: int) -> RankState | None:
        """What a rank of a pod does; None before it is known."""
        phase: TrainerPhase | None = None
        step = 0
        for name, labels, value in self._samples(pod, names.HEARTBEATS_PORT):
            if labels.get("rank") != str(rank):
                continue
            if name == telemetry.RANK_PHASE and value:
                phase = TrainerPhase(labels["phase"])
            elif name == telemetry.RANK_GLOBAL_STEP:
                step = int(value)
        return RankState(phase, step) if phase else None

    def run(self, pod: str) -> dict[str, float]:
        """Rank 0's gauges without labels, by name; `pod` is its pod."""
        return {name: value for name, labels, value in self._samples(pod, names.METRICS_PORT) if not labels}

    def _samples(self, pod: str, port: int) -> list[tuple[str, dict[str, str], float]]:
        try:
            page: str = self._api.connect_get_namespaced_pod_proxy_with_path(
                f"{pod}:{port}", self._namespace, "metrics", _request_timeout=FETCH_SECONDS
            )
        except (client.ApiException, HTTPError):
            return []
        return [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        ]

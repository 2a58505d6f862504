"""The headless Service through which the ranks find the master."""

from typing import Any

from trainingrun_api import names
from trainingrun_operator.desired.meta import owner, run_labels
from trainingrun_operator.observed import Run


def service(run: Run) -> dict[str, Any]:
    """Selects index 0 alone: ranks need the master's name only, and the endpoint controllers follow one
    pod.

    The labels hold the run's UID: a pod of an earlier run of that name may still be ending under the same
    host name. One of an earlier attempt of this run is selected too, but its host name holds its own number.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": names.service_name(run.name),
            "namespace": run.namespace,
            # A headless Service has nothing to proxy: the kube-proxy of each node need not hear of it.
            "labels": {**run_labels(run), "service.kubernetes.io/service-proxy-name": "none"},
            "ownerReferences": [owner(run)],
        },
        "spec": {
            "clusterIP": "None",
            # A pod is not ready before torchrun found the master, and torchrun needs the name to find it.
            "publishNotReadyAddresses": True,
            "selector": {**run_labels(run), names.COMPLETION_INDEX_LABEL: "0"},
            "ports": [
                {"name": "rendezvous", "port": names.MASTER_PORT},
                {"name": names.METRICS_PORT_NAME, "port": names.METRICS_PORT},
            ],
        },
    }

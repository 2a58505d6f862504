"""GPU series of NVIDIA's dcgm-exporter, and how they are joined with the pods of runs.

Names and labels: https://github.com/NVIDIA/dcgm-exporter, etc/default-counters.csv and the README. The
exporter puts the pod that holds a GPU into `namespace` and `pod`. A scrape without honorLabels, which is
that of its own chart, has those two for the exporter's pod, and renames the exporter's own to
`exported_namespace` and `exported_pod`. An exporter that was not told to ask the kubelet knows no pod at
all: then the node has to do.
"""

from trainingrun_api.exposition import MetricFamily, gauge
from trainingrun_operator.run_series import GPUS, POD_INFO

DEVICE_LABELS = ("Hostname", "gpu", "UUID", "GPU_I_ID")
"""Node, index on it, the device, and its instance where it is divided (MIG)."""
LABELS = (*DEVICE_LABELS, "namespace", "pod", "exported_namespace", "exported_pod")

ENGINE_ACTIVE = gauge(
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "share of the time in which any engine worked", *LABELS, unit="ratio"
)
UTILIZATION = gauge(
    "DCGM_FI_DEV_GPU_UTIL",
    "the same by the driver's sampling, on devices without profiling; not there with MIG",
    *LABELS,
    unit="percent",
)
MEMORY_USED = gauge("DCGM_FI_DEV_FB_USED", "memory in use", *LABELS, unit="MiB")
FAMILIES: tuple[MetricFamily, ...] = (ENGINE_ACTIVE, UTILIZATION, MEMORY_USED)

ACTIVE = f"({ENGINE_ACTIVE} or on (UUID, GPU_I_ID) {UTILIZATION} / 100)"
"""PromQL for the share of the time, 0 to 1, in which each device worked."""


def of_pods(devices: str, selector: str) -> str:
    """PromQL for the devices of the pods of the selected runs, with all labels that the devices have.

    `devices` is PromQL for series of dcgm-exporter, `selector` the matchers of runs without braces. On nodes
    where no device tells a pod of theirs, the devices of the whole node stand for runs that ask for any.
    """
    pods = f"{POD_INFO}{{{selector}}}"
    return (
        f"{with_pod(devices)} and on (namespace, pod) {pods} or on (Hostname) "
        f'label_replace({devices}, "node", "$1", "Hostname", "(.+)") '
        f"and on (node) ({pods} and on (namespace, name) {GPUS} > 0)"
    )


def with_pod(devices: str) -> str:
    """PromQL for the devices with `namespace` and `pod` of whoever holds them, by either way to scrape."""
    return (
        f'label_replace(label_replace({devices}, "pod", "$1", "exported_pod", "(.+)"), '
        f'"namespace", "$1", "exported_namespace", "(.+)")'
    )

"""Recording rules: what alerts share with each other and with people's own dashboards.

Each gives one series a run, or a device of a run, whatever operator pod told of it: the labels of the target
would begin a new series with each restart of the operator.
"""

from trainingrun_api import telemetry
from trainingrun_monitoring import dcgm
from trainingrun_monitoring.rules.rule import Record
from trainingrun_operator import metrics, run_series

RESTARTS = Record(
    "trainingrun:restarts:sum",
    f"sum by (namespace, name) (max by (namespace, name, cause) ({run_series.RESTARTS}))",
)
RECENT_RESTARTS = Record(
    "trainingrun:restarts:increase1h", f"{RESTARTS.name} - min_over_time({RESTARTS.name}[1h])"
)

_PODS = f"max by (namespace, name, pod, node, index) ({run_series.POD_INFO})"
_ALONE = (
    f"(({_PODS} and on (namespace, name) {run_series.GPUS} > 0)\n"
    f"    and on (node) count by (node) ({_PODS}) == 1)"
)
_DEVICE = "namespace, name, pod, node, index, gpu, UUID, GPU_I_ID"
GPU_ACTIVE = Record(
    "trainingrun:gpu_active:ratio",
    f"""\
label_replace(
  max by ({_DEVICE}) (
    {dcgm.with_pod(dcgm.ACTIVE)}
    * on (namespace, pod) group_left (name, node, index) {_PODS}
  ),
  "match", "pod", "", "")
or on (node)
label_replace(
  max by ({_DEVICE}) (
    label_replace({dcgm.ACTIVE}, "node", "$1", "Hostname", "(.+)")
    * on (node) group_left (namespace, name, pod, index) {_ALONE}
  ),
  "match", "node", "", "")""",
)
"""Share of the time, 0 to 1, in which each device of each run worked. `match` is `pod` where the exporter
tells which pod holds the device. It is `node` where it does not: then all devices of a node count as those of
the only training pod on it, also those that it does not hold."""

DATA_WAIT = Record(
    "trainingrun:data_wait:ratio_rate5m",
    "max by (namespace, name) (label_replace(\n"
    f'  rate({telemetry.DATA_WAIT_SECONDS}[5m]), "name", "$1", "trainingrun", "(.+)"))',
)
"""Share of the time in which rank 0 waited for batches."""

_STEPS = f"{metrics.RECONCILE_SECONDS}_count"
RECONCILE_ERRORS = Record(
    "trainingrun:reconcile_errors:ratio_rate10m",
    f'sum by (namespace) (rate({_STEPS}{{result="error"}}[10m]))\n/ sum by (namespace) (rate({_STEPS}[10m]))',
)
"""Share of the operator's steps that will be repeated; `namespace` is the operator's."""

RECORDS = (RESTARTS, RECENT_RESTARTS, GPU_ACTIVE, DATA_WAIT, RECONCILE_ERRORS)

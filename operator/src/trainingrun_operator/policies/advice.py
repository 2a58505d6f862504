"""What a person can do about each cause, where the program itself gave no advice. Pure.

Most causes end in a restart without anybody's help, so the advice is how to keep them from coming back. The
spec of a run hardly changes: what is to be corrected there goes into a new run.
"""

from trainingrun_api import names
from trainingrun_api.reasons import Reason

RETRY = f"then set the annotation {names.RETRY_ANNOTATION} of the TrainingRun to a new text"
SUSPEND = "to stop a run for a while, set spec.suspend"

BY_REASON = {
    Reason.BAD_DATA: f"correct the data, {RETRY}",
    Reason.BAD_CONFIG: "correct spec.training in a new run",
    Reason.USER_ERROR: "read the whole log: kubectl logs {pod}",
    Reason.KILLED: "read the whole log: kubectl logs {pod}",
    Reason.OOM_KILLED: "raise resources.memory, or lower data.batchSize or data.numWorkers, in a new run",
    Reason.CUDA_OUT_OF_MEMORY: "lower data.batchSize or data.imageSize, or set precision to bf16-mixed, in a "
    "new run",
    Reason.NCCL_TIMEOUT: "look for a slow rank, a busy node or a broken network; NCCL_DEBUG=INFO in spec.env "
    "tells more",
    Reason.DISK_FULL: "free space on the volume, or enlarge its claim",
    Reason.DIVERGED: "lower optimizer.learningRate, or set precision to 32-true, in a new run",
    Reason.LAUNCH_FAILED: "check spec.command and spec.image: the program must exist and be executable",
    Reason.EVICTED: "a higher pod.priorityClassName protects a run",
    Reason.PREEMPTED: "a higher pod.priorityClassName protects a run",
    Reason.NODE_LOST: "look after the node: kubectl describe node {node}",
    Reason.INTERRUPTED: f"something sent SIGTERM to the program; {SUSPEND}",
    Reason.POD_DELETED: SUSPEND,
    Reason.JOB_LOST: f"{SUSPEND}; to end it, delete the TrainingRun instead of its Job",
    Reason.STALLED: "status.silentRanks tells what each did last; if they were busy, raise "
    "deadlines.stallSeconds in a new run",
    Reason.UNREACHABLE: "let the operator reach the pods (NetworkPolicy, firewall, the network of its node): "
    f"ports {names.METRICS_PORT} and {names.HEARTBEATS_PORT}",
    Reason.DEADLINE_EXCEEDED: "to allow as much time again, set the annotation "
    f"{names.RETRY_ANNOTATION} of the TrainingRun to a new text",
    Reason.UNSCHEDULABLE: f"free or add nodes with what the pods request, {RETRY}",
    Reason.IMAGE_PULL: "correct spec.image or pod.imagePullSecrets in a new run",
    Reason.VOLUME_UNBOUND: f"create the claim, or make its storage available, {RETRY}",
    Reason.REJECTED: f"make room in the quota, or mend what refuses the pods, {RETRY}",
    Reason.CONTAINER_CONFIG: "correct what the kubelet names in a new run",
}
"""By reason; the pod and its node are filled in."""


def advice(reason: Reason, pod: str = "", node: str = "") -> str:
    """What to do."""
    return BY_REASON[reason].format(pod=pod, node=node)

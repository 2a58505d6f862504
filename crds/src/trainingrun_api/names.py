"""Every label, annotation, environment variable, port, path, exit code and object name, in one place.

The operator writes them, the trainer and the tests read them.
"""

GROUP = "trainingrun.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "TrainingRun"
PLURAL = "trainingruns"
SINGULAR = "trainingrun"
SHORT_NAME = "tr"
CATEGORY = "ml"
CRD_NAME = f"{PLURAL}.{GROUP}"

FIELD_MANAGER = "trainingrun-operator"

RUN_LABEL = f"{GROUP}/run"
"""On every child: the name of the TrainingRun that it belongs to."""
UID_LABEL = f"{GROUP}/uid"
"""On every child: the UID of that TrainingRun, which a later one of the same name does not share."""
ATTEMPT_LABEL = f"{GROUP}/attempt"
"""On Jobs and pods: the number of the attempt, counted from 1."""
CONFIG_ANNOTATION = f"{GROUP}/config"
"""On pods: the training config as JSON, projected into CONFIG_FILE, so that a run needs no ConfigMap."""
RETRY_ANNOTATION = f"{GROUP}/retry"
"""On a TrainingRun, set by people: a new text starts a Failed run anew."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
"""On Jobs: the LocalQueue by which Kueue admits them."""
COMPLETION_INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
"""Set by the Job controller on the pods of an Indexed Job; here it is the node rank of torchrun."""

RESERVED_KEY_PREFIXES = (f"{GROUP}/", "batch.kubernetes.io/", "controller-uid", "job-name", "kueue.x-k8s.io/")
"""Label and annotation keys that a user may not set on pods: the operator or the Job controller owns them."""
RESERVED_ENV_PREFIXES = ("PET_", "MASTER_", "TORCHELASTIC_", "TRAININGRUN_")
RESERVED_ENV_NAMES = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK",
    "ROLE_WORLD_SIZE", "ROLE_NAME", "NODE_RANK",
)  # fmt: skip
"""Environment that torchrun and the operator set; a value of the user's would split the process group."""

MAX_NAME_LENGTH = 49
"""63 (DNS label) - 4 ("-" and an attempt of up to 3 digits) - 4 ("-" and an index of up to 3 digits) - 6 (the
suffix of a Job's pod)."""
MAX_NODES = 1000
MAX_ATTEMPT = 999

CONTAINER_NAME = "trainer"
CONFIG_DIR = "/etc/trainingrun"
CONFIG_FILE = f"{CONFIG_DIR}/config.json"
CHECKPOINTS_DIR = "/checkpoints"
SCRATCH_DIR = "/tmp"
SHARED_MEMORY_DIR = "/dev/shm"
TERMINATION_LOG = "/dev/termination-log"
METRICS_PORT = 9400
METRICS_PORT_NAME = "metrics"
HEARTBEATS_PORT = 9401
HEARTBEATS_PORT_NAME = "heartbeats"
MASTER_PORT = 29500
"""torchrun's default rendezvous port."""
CONSOLE_PORT = 8765
"""Of everything that the console serves."""

ENV_NAME = "TRAININGRUN_NAME"
ENV_NAMESPACE = "TRAININGRUN_NAMESPACE"
ENV_UID = "TRAININGRUN_UID"
ENV_ATTEMPT = "TRAININGRUN_ATTEMPT"
ENV_IMAGE = "TRAININGRUN_IMAGE"
"""Image of the trainer container as the pod names it."""
ENV_RUN_DIR = "TRAININGRUN_RUN_DIR"
ENV_GPUS = "TRAININGRUN_GPUS"
"""GPUs that the pod requested; above 0 and without CUDA, the trainer refuses to train on the CPU."""
ENV_METRICS_PORT = "TRAININGRUN_METRICS_PORT"
ENV_METRICS_ADDRESS = "TRAININGRUN_METRICS_ADDRESS"
"""Where the trainer answers; absent, as in pods: at every address."""
ENV_HEARTBEATS_PORT = "TRAININGRUN_HEARTBEATS_PORT"
ENV_CHECKPOINT_SECONDS = "TRAININGRUN_CHECKPOINT_SECONDS"
ENV_CHECKPOINT_STEPS = "TRAININGRUN_CHECKPOINT_STEPS"
ENV_TERMINATION_LOG = "TRAININGRUN_TERMINATION_LOG"
ENV_DATABASE_URL = "TRAININGRUN_DATABASE_URL"
"""Database of the tables run and run_metrics, from a Secret; without it, SQLite in the run directory."""

EXIT_DONE = 0
EXIT_BAD_DATA = 65
"""EX_DATAERR of sysexits.h."""
EXIT_BAD_CONFIG = 78
"""EX_CONFIG of sysexits.h."""
EXIT_INTERRUPTED = 143
"""128 + SIGTERM: stopped from outside after a checkpoint was written."""


def job_name(run: str, attempt: int) -> str:
    """The Job of one attempt."""
    return f"{run}-{attempt}"


def service_name(run: str) -> str:
    """The headless Service through which the ranks find the master."""
    return run


def checkpoint_claim_name(run: str) -> str:
    """The PersistentVolumeClaim that the operator creates where the spec names none."""
    return f"{run}-checkpoints"


def master_address(run: str, attempt: int) -> str:
    """The stable DNS name of the pod with completion index 0."""
    return f"{job_name(run, attempt)}-0.{service_name(run)}"


def run_directory(run: str, uid: str) -> str:
    """Where a run keeps its results; a re-created run of the same name gets another directory."""
    return f"{CHECKPOINTS_DIR}/{run}-{uid[:8]}"

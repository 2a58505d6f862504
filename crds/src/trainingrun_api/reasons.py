"""Condition types and the closed lists of reasons: the vocabulary in which a run explains itself."""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of `status.conditions`; `status.phase` is derived from them."""

    ACCEPTED = "Accepted"
    """The spec can be carried out and the objects of the run are in place."""
    QUOTA_RESERVED = "QuotaReserved"
    """The run may use the cluster: its queue admitted it, and its project is free."""
    RUNNING = "Running"
    """All pods of the attempt run."""
    RESTARTING = "Restarting"
    """An attempt ended and the next one does not run yet."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is carried out: no pods are left."""
    PROGRESSING = "Progressing"
    """Training moves."""
    CHECKPOINT_FRESH = "CheckpointFresh"
    """What the next fault would cost is no more than one checkpoint interval."""
    SUCCEEDED = "Succeeded"
    """The run ended and reached its goal."""
    FAILED = "Failed"
    """The run ended without reaching its goal."""


class Reason(StrEnum):
    """Why a condition has its status."""

    # Accepted
    OBJECTS_CREATED = "ObjectsCreated"
    NAME_CONFLICT = "NameConflict"
    """An object with the name of one of the run's children belongs to somebody else."""
    REJECTED = "Rejected"
    """The API server refused a child of the run (quota, admission), or the operator cannot read the spec."""

    # Running
    CREATING = "Creating"
    AWAITING_PODS = "AwaitingPods"
    PODS_STARTING = "PodsStarting"
    PODS_RUNNING = "PodsRunning"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL = "ImagePull"
    VOLUME_UNBOUND = "VolumeUnbound"
    CONTAINER_CONFIG = "ContainerConfig"
    """The kubelet cannot create the container from its spec."""
    FINISHED = "Finished"
    QUEUED = "Queued"
    """The queue has not admitted the run."""
    WAITING_FOR_PROJECT = "WaitingForProject"
    """Another run of the project is active."""
    ENDING_PODS = "EndingPods"
    """The pods of the last attempt are on their way out."""
    BACK_OFF = "BackOff"
    """The pause before the next attempt."""
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    RETRIED = "Retried"
    """Somebody asked for a Failed run to be started anew."""

    # QuotaReserved
    NO_QUEUE = "NoQueue"
    """The run names no queue and no project, or its project is free."""
    ADMITTED = "Admitted"

    # Progressing, CheckpointFresh
    STEPS_TAKEN = "StepsTaken"
    NO_HEARTBEAT = "NoHeartbeat"
    """The program tells nothing of its progress."""
    STALLED = "Stalled"
    UNREACHABLE = "Unreachable"
    """No trainer of any run answers the operator, so that nothing can be told of this one."""
    SAVED = "Saved"
    NO_CHECKPOINT = "NoCheckpoint"
    """The program keeps no checkpoints, or has written none yet."""
    VOLUME_FULL = "VolumeFull"
    """The newest checkpoint could not be written."""
    CHECKPOINT_DAMAGED = "CheckpointDamaged"
    """A damaged checkpoint was skipped and an older one used."""
    OUTDATED = "Outdated"
    """The newest checkpoint is older than twice the interval."""

    # Succeeded
    COMPLETED = "Completed"

    # Failed
    BAD_DATA = "BadData"
    BAD_CONFIG = "BadConfig"
    USER_ERROR = "UserError"
    """The program ended with an error of its own."""
    OOM_KILLED = "OOMKilled"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    INTERRUPTED = "Interrupted"
    """Stopped by SIGTERM from outside."""
    PREEMPTED = "Preempted"
    """Made way for a run of higher priority, in the scheduler or in the queue."""
    POD_DELETED = "PodDeleted"
    """Somebody deleted a pod."""
    LAUNCH_FAILED = "LaunchFailed"
    """The container never ran its program."""
    KILLED = "Killed"
    """A signal ended a process, and not for memory as far as can be known."""
    CUDA_OUT_OF_MEMORY = "CudaOutOfMemory"
    NCCL_TIMEOUT = "NcclTimeout"
    """A collective of torch.distributed (NCCL or gloo) ran into its time limit or lost its peers."""
    DISK_FULL = "DiskFull"
    DIVERGED = "Diverged"
    """The loss is NaN or infinite."""
    JOB_LOST = "JobLost"
    """The Job disappeared before it ended."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    """`deadlines.startupSeconds` or `deadlines.activeSeconds` passed."""

    # any
    NOT_YET = "NotYet"


class AttemptOutcome(StrEnum):
    """How an attempt ended, and so what it costs."""

    COMPLETED = "Completed"
    FAILURE = "Failure"
    """Costs one of `restart.maxFailures`."""
    STALL = "Stall"
    """Costs one of `restart.maxFailures`."""
    DISRUPTION = "Disruption"
    """The cluster's or somebody's doing; free."""
    SUSPENSION = "Suspension"
    """`spec.suspend`; free."""
    FATAL = "Fatal"
    """Another attempt would end alike: the run is Failed."""


class Phase(StrEnum):
    """The summary that `kubectl get tr` shows."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"

"""Condition types and the closed lists of reasons: the vocabulary in which a run explains itself."""

from enum import StrEnum


class ConditionType(StrEnum):
    """Types of `status.conditions`; `status.phase` is derived from them."""

    ACCEPTED = "Accepted"
    """The spec can be carried out and the objects of the run are in place."""
    RUNNING = "Running"
    """All pods of the attempt run."""
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
    LAUNCH_FAILED = "LaunchFailed"
    """The container never ran its program."""
    JOB_LOST = "JobLost"
    """The Job disappeared before it ended."""

    # any
    NOT_YET = "NotYet"


class Phase(StrEnum):
    """The summary that `kubectl get tr` shows."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"

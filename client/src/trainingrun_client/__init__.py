"""The Python client for TrainingRuns, which `kubectl trainingrun` shares. Needs no torch.

The way of a call: `client` (what callers see) -> a `backend`: `cluster` (through `connection`, `following`,
`pod_logs`) or `local`, this machine -> `run`, `log_lines`, `epochs`: typed results. `cli` is the command line
above all of it.
"""

from trainingrun_client.client import TrainingRunClient
from trainingrun_client.errors import (
    AlreadyExistsError,
    ApiError,
    Cause,
    ConfigError,
    ConflictError,
    ForbiddenError,
    InputError,
    InvalidError,
    MissingExtraError,
    NotFoundError,
    RunDeletedError,
    RunFailedError,
    TrainingRunError,
    TransferError,
    UnauthorizedError,
    UnreachableError,
    WaitTimeoutError,
)
from trainingrun_client.log_lines import LogLine
from trainingrun_client.run import TrainingRun, TrainingRuns

__all__ = [
    "AlreadyExistsError",
    "ApiError",
    "Cause",
    "ConfigError",
    "ConflictError",
    "ForbiddenError",
    "InputError",
    "InvalidError",
    "LogLine",
    "MissingExtraError",
    "NotFoundError",
    "RunDeletedError",
    "RunFailedError",
    "TrainingRun",
    "TrainingRunClient",
    "TrainingRunError",
    "TrainingRuns",
    "TransferError",
    "UnauthorizedError",
    "UnreachableError",
    "WaitTimeoutError",
]

"""The environment by which torchrun, the trainer and any other program find their place in the gang.

torchrun takes each of its options from a PET_ variable (torch.distributed.argparse_util), so that a plain
`torchrun script.py` works. The rendezvous is static: ranks follow from completion indices.
"""

from typing import Any

from trainingrun_api import TrainingRunSpec, names
from trainingrun_operator.observed import Run

RENDEZVOUS_SECONDS = 24 * 60 * 60
"""How long ranks wait for the others: the scheduler and image pulls, not torchrun, decide when pods start."""
SHUTDOWN_MARGIN_SECONDS = 10
"""What is left of the grace period to the launcher, after it has killed its workers."""
LOCAL_MASTER = "localhost"
"""Master of a run of one pod, which has no Service to find itself by."""


def torchrun_env(run: Run, spec: TrainingRunSpec, attempt: int, image: str) -> list[dict[str, Any]]:
    """Environment of every pod; the user's own comes last and cannot clash: reserved names are refused."""
    master = names.master_address(run.name, attempt) if spec.nodes > 1 else LOCAL_MASTER
    values = {
        "PET_NNODES": str(spec.nodes),
        "PET_NPROC_PER_NODE": str(spec.local_world_size),
        "PET_MASTER_ADDR": master,
        "PET_MASTER_PORT": str(names.MASTER_PORT),
        # A rendezvous of its own for each attempt, so that a straggler of the last one cannot join.
        "PET_RDZV_ID": f"{run.uid}-{attempt}",
        "PET_RDZV_CONF": f"timeout={RENDEZVOUS_SECONDS}",
        # torchrun's own default kills workers that are still writing a checkpoint.
        "PET_SHUTDOWN_TIMEOUT": str(
            max(1, spec.pod.termination_grace_period_seconds - SHUTDOWN_MARGIN_SECONDS)
        ),
        "NCCL_DEBUG": "WARN",
        names.ENV_NAME: run.name,
        names.ENV_NAMESPACE: run.namespace,
        names.ENV_UID: run.uid,
        names.ENV_ATTEMPT: str(attempt),
        names.ENV_IMAGE: image,
        names.ENV_GPUS: str(spec.resources.gpus),
        names.ENV_METRICS_PORT: str(names.METRICS_PORT),
        names.ENV_HEARTBEATS_PORT: str(names.HEARTBEATS_PORT),
    }
    if spec.checkpoints is not None:
        values[names.ENV_RUN_DIR] = names.run_directory(run.name, run.uid)
        values[names.ENV_CHECKPOINT_SECONDS] = str(spec.checkpoints.every_seconds)
        if spec.checkpoints.every_steps is not None:
            values[names.ENV_CHECKPOINT_STEPS] = str(spec.checkpoints.every_steps)
    index = {"fieldRef": {"fieldPath": f"metadata.labels['{names.COMPLETION_INDEX_LABEL}']"}}
    return [
        {"name": "PET_NODE_RANK", "valueFrom": index},
        *({"name": name, "value": value} for name, value in values.items()),
        *_database_url(spec),
        *({"name": variable.name, "value": variable.value} for variable in spec.env or ()),
    ]


def _database_url(spec: TrainingRunSpec) -> list[dict[str, Any]]:
    """From the Secret by reference: the password stands in no object of the operator's."""
    if spec.training is None or spec.training.database.secret_name is None:
        return []
    database = spec.training.database
    key = {"secretKeyRef": {"name": database.secret_name, "key": database.secret_key}}
    return [{"name": names.ENV_DATABASE_URL, "valueFrom": key}]

"""The Job of one attempt: an indexed gang that lives and dies as one."""

from typing import Any

from trainingrun_api import TrainingRunSpec, names
from trainingrun_operator.desired.meta import attempt_labels, owner
from trainingrun_operator.desired.pod import pod_template
from trainingrun_operator.observed import Run
from trainingrun_operator.plan import Image


def job(run: Run, spec: TrainingRunSpec, attempt: int, trainer_image: Image) -> dict[str, Any]:
    """No pod is ever replaced: the first failure of any kind fails the Job, which ends the other pods.

    The failure policy says so for exits and for disruptions, and its message keeps the exit code where the
    pod itself is gone by the time somebody looks.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.job_name(run.name, attempt),
            "namespace": run.namespace,
            "labels": {
                **attempt_labels(run, attempt),
                **({names.QUEUE_LABEL: spec.queue} if spec.queue else {}),
            },
            "ownerReferences": [owner(run)],
        },
        "spec": {
            # Whoever manages the queue starts it; a Job that it finds running it would stop.
            **({"suspend": True} if spec.queue else {}),
            "completionMode": "Indexed",
            "completions": spec.nodes,
            "parallelism": spec.nodes,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": names.CONTAINER_NAME,
                            "operator": "NotIn",
                            "values": [names.EXIT_DONE],
                        },
                    },
                ]
            },
            "template": pod_template(run, spec, attempt, trainer_image),
        },
    }

"""The pod template of a run: one node of the gang."""

import json
from typing import Any

from trainingrun_api import TrainingRunSpec, names
from trainingrun_api.pod import PodOptions, Resources
from trainingrun_operator.desired.meta import attempt_labels
from trainingrun_operator.desired.torchrun_env import torchrun_env
from trainingrun_operator.desired.volumes import volumes
from trainingrun_operator.observed import Run
from trainingrun_operator.plan import Image

LOST_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""How the control plane marks nodes that do not answer.

Source: https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-unreachable
"""
LAUNCHER = "trainingrun-launch"
USER_ID = 1000
"""User, group and volume group of every pod; the trainer image is built for it."""


def pod_template(run: Run, spec: TrainingRunSpec, attempt: int, trainer_image: Image) -> dict[str, Any]:
    """Satisfies the Pod Security Standard `restricted` whatever the spec says."""
    labels = attempt_labels(run, attempt)
    pod_volumes, mounts = volumes(run, spec)
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.pod.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            # Changing the owner of every file of a large checkpoint volume at each start would take minutes.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(run, spec, attempt, trainer_image, mounts)],
        "volumes": pod_volumes,
        **_scheduling(spec.pod, spec.restart.node_lost_seconds),
    }
    if spec.nodes > 1:
        pod["subdomain"] = names.service_name(run.name)
        pod["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ]
    meta: dict[str, Any] = {"labels": {**(spec.pod.labels or {}), **labels}}
    if annotations := _annotations(spec):
        meta["annotations"] = annotations
    return {"metadata": meta, "spec": pod}


def _container(
    run: Run, spec: TrainingRunSpec, attempt: int, trainer_image: Image, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    image = spec.image or trainer_image.reference
    container: dict[str, Any] = {
        "name": names.CONTAINER_NAME,
        "image": image,
        **_program(run, spec),
        "env": torchrun_env(run, spec, attempt, image),
        "ports": [
            {"name": names.METRICS_PORT_NAME, "containerPort": names.METRICS_PORT},
            {"name": names.HEARTBEATS_PORT_NAME, "containerPort": names.HEARTBEATS_PORT},
        ],
        "resources": _resources(spec.resources),
        "volumeMounts": mounts,
        "terminationMessagePath": names.TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if not spec.image:
        container["imagePullPolicy"] = trainer_image.pull_policy
    return container


def _program(run: Run, spec: TrainingRunSpec) -> dict[str, Any]:
    if spec.command is None:
        directory = names.run_directory(run.name, run.uid)
        return {"command": [LAUNCHER], "args": ["--config", names.CONFIG_FILE, "--run-dir", directory]}
    return {"command": list(spec.command)} | ({"args": list(spec.args)} if spec.args else {})


def _resources(resources: Resources) -> dict[str, Any]:
    """Requests equal limits, so that a training pod is neither throttled by neighbours nor evicted first."""
    amounts = {"cpu": resources.cpu, "memory": resources.memory}
    if resources.gpus:
        amounts[resources.gpu_resource] = str(resources.gpus)
    wanted = {name: amount for name, amount in amounts.items() if amount}
    return {"requests": wanted, "limits": wanted} if wanted else {}


def _annotations(spec: TrainingRunSpec) -> dict[str, str]:
    annotations = dict(spec.pod.annotations or {})
    if spec.training is not None:
        annotations[names.CONFIG_ANNOTATION] = json.dumps(spec.training.to_wire(), sort_keys=True)
    return annotations


def _scheduling(options: PodOptions, node_lost_seconds: int) -> dict[str, Any]:
    fields = {
        "nodeSelector": options.node_selector,
        "tolerations": _tolerations(options, node_lost_seconds),
        "priorityClassName": options.priority_class_name,
        "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets or ()],
    }
    return {name: value for name, value in fields.items() if value}


def _tolerations(options: PodOptions, node_lost_seconds: int) -> list[dict[str, Any]]:
    """The user's own, and how long a lost node may take to come back, where he does not say himself.

    Without these the API server gives every pod five minutes.
    """
    own = options.tolerations or ()
    lost = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": node_lost_seconds}
        for key in LOST_NODE_TAINTS
        if not any(t.key in (key, None) and t.effect in ("NoExecute", None) for t in own)
    ]
    return [*(toleration.to_wire() for toleration in own), *lost]

"""TrainingRuns that the API server must refuse, and the words by which it must say so.

Each case is a JSON merge patch over a valid object, so that it shows the one thing that is wrong. `field` is
the path that the message must name; `words` is a part of the message that holds the remedy or the limit.
"""

from dataclasses import dataclass
from typing import Any

import yaml

from trainingrun_api import names

Object = dict[str, Any]


def _run(spec: str) -> Object:
    metadata = {"name": "valid"}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": metadata,
        "spec": yaml.safe_load(spec),
    }


TRAINING = _run("""
    training:
      task: classification
      data: {format: zip, path: /data/images.zip}
    volumes: [{claim: images, mountPath: /data}]
    checkpoints: {size: 10Gi}
""")
COMMAND = _run("""
    image: registry.example.com/team/program:1.0
    command: [python, train.py]
""")


@dataclass(frozen=True)
class Invalid:
    """A patch over a valid object, and what the refusal must say."""

    name: str
    patch: str
    field: str
    words: str
    base: str = "training"

    def manifest(self) -> Object:
        """The invalid object."""
        base = {"training": TRAINING, "command": COMMAND}[self.base]
        manifest: Object = merged(base, yaml.safe_load(self.patch))
        return manifest


def merged(base: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7386: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    kept = base if isinstance(base, dict) else {}
    result = {key: value for key, value in kept.items() if key not in patch or patch[key] is not None}
    return result | {key: merged(kept.get(key), value) for key, value in patch.items() if value is not None}


NAMES = [
    Invalid("name-too-long", f"metadata: {{name: {'x' * 50}}}", "metadata.name", "at most 49 characters"),
    Invalid(
        "name-starts-with-digit",
        "metadata: {name: 3d-unet}",
        "metadata.name",
        "must start with a lower-case letter",
    ),
    Invalid("name-with-dot", "metadata: {name: xray.v2}", "metadata.name", "(no dots)"),
    Invalid(
        "name-in-capitals",
        "metadata: {name: ChestXray}",
        "metadata.name",
        "lower case alphanumeric characters",
    ),
]

SPEC = [
    Invalid("no-spec", "spec: null", "spec", "Required value"),
    Invalid("spec-unknown-field", "spec: {trainig: {}}", "spec.trainig", "unknown field"),
    Invalid("neither-training-nor-command", "spec: {training: null}", "spec", "exactly one of spec.training"),
    Invalid(
        "both-training-and-command",
        "spec: {command: [python], image: a}",
        "spec",
        "exactly one of spec.training (the built-in trainer) and spec.command",
    ),
    Invalid(
        "args-without-command",
        "spec: {args: [--help]}",
        "spec.args",
        "set spec.command too, or remove spec.args",
    ),
    Invalid(
        "command-without-image",
        "spec: {image: null}",
        "spec.image",
        "spec.command needs spec.image",
        "command",
    ),
    Invalid(
        "command-empty", "spec: {command: []}", "spec.command", "should have at least 1 items", "command"
    ),
    Invalid(
        "image-with-space", 'spec: {image: "trainer: 1.0"}', "spec.image", "image reference without spaces"
    ),
    Invalid("nodes-zero", "spec: {nodes: 0}", "spec.nodes", "greater than or equal to 1"),
    Invalid("nodes-too-many", "spec: {nodes: 1001}", "spec.nodes", "less than or equal to 1000"),
    Invalid("nodes-as-text", 'spec: {nodes: "2"}', "spec.nodes", "must be of type integer"),
    Invalid(
        "processes-zero", "spec: {processesPerNode: 0}", "spec.processesPerNode", "greater than or equal to 1"
    ),
    Invalid(
        "more-processes-than-gpus",
        "spec: {processesPerNode: 3, resources: {gpus: 2}}",
        "spec.processesPerNode",
        "lower it, request more GPUs, or set training.accelerator to cpu",
    ),
]

RESOURCES = [
    Invalid(
        "gpus-negative", "spec: {resources: {gpus: -1}}", "spec.resources.gpus", "greater than or equal to 0"
    ),
    Invalid(
        "gpus-too-many", "spec: {resources: {gpus: 65}}", "spec.resources.gpus", "less than or equal to 64"
    ),
    Invalid(
        "gpu-resource-without-domain",
        "spec: {resources: {gpuResource: gpu}}",
        "spec.resources.gpuResource",
        "an extended resource with its domain, such as nvidia.com/gpu",
    ),
    Invalid(
        "cpu-negative", "spec: {resources: {cpu: -2}}", "spec.resources.cpu", "number of cores above zero"
    ),
    Invalid("cpu-zero", 'spec: {resources: {cpu: "0"}}', "spec.resources.cpu", "such as 16,"),
    Invalid(
        "cpu-as-float",
        "spec: {resources: {cpu: 1.5}}",
        "spec.resources.cpu",
        "must be of type integer,string",
    ),
    Invalid(
        "memory-negative",
        "spec: {resources: {memory: -5Gi}}",
        "spec.resources.memory",
        "size in bytes above zero",
    ),
    Invalid(
        "memory-wrong-unit",
        "spec: {resources: {memory: 64GB}}",
        "spec.resources.memory",
        "such as 500Mi or 64Gi",
    ),
    Invalid(
        "memory-as-number",
        "spec: {resources: {memory: 64}}",
        "spec.resources.memory",
        "must be of type string",
    ),
    Invalid(
        "shared-memory-wrong-unit",
        "spec: {resources: {memory: 64GB, sharedMemory: 8GB}}",
        "spec.resources.sharedMemory",
        "such as 500Mi or 64Gi",
    ),
    Invalid(
        "shared-memory-above-memory",
        "spec: {resources: {memory: 4Gi, sharedMemory: 5Gi}}",
        "spec.resources.sharedMemory",
        "lower sharedMemory or raise memory",
    ),
    Invalid("resources-unknown-field", "spec: {resources: {gpu: 1}}", "spec.resources.gpu", "unknown field"),
]

ENVIRONMENT = [
    Invalid(
        f"env-{name.lower()}",
        f"spec: {{env: [{{name: {name}, value: x}}]}}",
        "spec.env[0].name",
        "choose another name",
    )
    for name in (
        "PET_NNODES",
        "MASTER_ADDR",
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "TRAININGRUN_UID",
        "TORCHELASTIC_RUN_ID",
    )
] + [
    Invalid(
        "env-name-with-space", "spec: {env: [{name: LOG LEVEL}]}", "spec.env[0].name", "such as LOG_LEVEL"
    ),
    Invalid("env-name-missing", "spec: {env: [{value: x}]}", "spec.env[0].name", "Required value"),
    Invalid("env-twice", "spec: {env: [{name: A}, {name: A, value: x}]}", "spec.env[1]", "Duplicate value"),
    Invalid(
        "env-value-as-number",
        "spec: {env: [{name: A, value: 1}]}",
        "spec.env[0].value",
        "must be of type string",
    ),
]

VOLUMES = [
    Invalid(
        f"mount-{case}",
        f"spec: {{volumes: [{{claim: images, mountPath: /data}}, {{claim: more, mountPath: {path}}}]}}",
        "spec.volumes[1].mountPath",
        words,
    )
    for case, path, words in (
        ("over-checkpoints", "/checkpoints", "choose another, such as /data"),
        ("inside-the-config", "/etc/trainingrun/more", "choose another, such as /data"),
        ("around-shared-memory", "/dev", "choose another, such as /data"),
        ("relative", "data2", "must be an absolute path"),
        ("root", "/", "must be an absolute path"),
        ("with-parent", "/data2/../checkpoints", 'an absolute path without ":", "." or ".."'),
        ("with-slash-at-end", "/data2/", "without a slash at its end, such as /data/images"),
    )
] + [
    Invalid(
        "mount-twice",
        "spec: {volumes: [{claim: images, mountPath: /data}, {claim: more, mountPath: /data}]}",
        "spec.volumes[1]",
        "Duplicate value",
    ),
    Invalid(
        "claim-in-capitals",
        "spec: {volumes: [{claim: Images, mountPath: /data}]}",
        "spec.volumes[0].claim",
        "must be the name of an object: lower-case letters",
    ),
    Invalid(
        "claim-missing", "spec: {volumes: [{mountPath: /data}]}", "spec.volumes[0].claim", "Required value"
    ),
    Invalid(
        "sub-path-absolute",
        "spec: {volumes: [{claim: images, mountPath: /data, subPath: /2024}]}",
        "spec.volumes[0].subPath",
        "must be a relative path",
    ),
    Invalid(
        "sub-path-escapes",
        "spec: {volumes: [{claim: images, mountPath: /data, subPath: ../other}]}",
        "spec.volumes[0].subPath",
        "such as images/2024",
    ),
]

CHECKPOINTS = [
    Invalid("no-checkpoints", "spec: {checkpoints: null}", "spec", "set checkpoints.claim (an existing"),
    Invalid(
        "claim-and-size",
        "spec: {checkpoints: {claim: ours}}",
        "spec.checkpoints",
        "exactly one of checkpoints.claim",
    ),
    Invalid(
        "neither-claim-nor-size",
        "spec: {checkpoints: {size: null, retain: true}}",
        "spec.checkpoints",
        "exactly one of checkpoints.claim",
    ),
    *(
        Invalid(
            f"claim-and-{name}",
            f"spec: {{checkpoints: {{claim: ours, size: null, {field}}}}}",
            "spec.checkpoints",
            "replace checkpoints.claim by checkpoints.size",
        )
        for name, field in (
            ("storage-class", "storageClass: fast"),
            ("access-mode", "accessMode: ReadWriteMany"),
            ("delete", "retain: false"),
        )
    ),
    Invalid(
        "size-zero", "spec: {checkpoints: {size: 0Gi}}", "spec.checkpoints.size", "size in bytes above zero"
    ),
    Invalid(
        "storage-class-name",
        "spec: {checkpoints: {storageClass: Fast SSD}}",
        "spec.checkpoints.storageClass",
        "such as team-data",
    ),
    Invalid(
        "access-mode-unknown",
        "spec: {checkpoints: {accessMode: RWX}}",
        "spec.checkpoints.accessMode",
        'supported values: "ReadWriteOnce", "ReadWriteMany"',
    ),
    Invalid(
        "interval-negative",
        "spec: {checkpoints: {everySeconds: -1}}",
        "spec.checkpoints.everySeconds",
        "greater than or equal to 0",
    ),
    Invalid(
        "interval-of-no-steps",
        "spec: {checkpoints: {everySteps: 0}}",
        "spec.checkpoints.everySteps",
        "greater than or equal to 1",
    ),
    Invalid(
        "one-writer-for-two-nodes",
        "spec: {nodes: 2, checkpoints: {accessMode: ReadWriteOnce}}",
        "spec.checkpoints.accessMode",
        "must be ReadWriteMany where nodes is above 1",
    ),
]

CONFIG = [
    Invalid("task-missing", "spec: {training: {task: null}}", "spec.training.task", "Required value"),
    Invalid(
        "task-unknown",
        "spec: {training: {task: clasification}}",
        "spec.training.task",
        'supported values: "classification"',
    ),
    Invalid("data-missing", "spec: {training: {data: null}}", "spec.training.data", "Required value"),
    Invalid(
        "data-unknown-field",
        "spec: {training: {data: {batchsize: 8}}}",
        "spec.training.data.batchsize",
        "unknown field",
    ),
    Invalid(
        "data-path-relative",
        "spec: {training: {data: {path: images.zip}}}",
        "spec.training.data.path",
        "an absolute path",
    ),
    Invalid(
        "data-in-no-volume",
        "spec: {training: {data: {path: /dataset/images.zip}}}",
        "spec.training.data.path",
        "training.data.path is in no volume of the pods",
    ),
    Invalid(
        "weights-in-no-volume",
        "spec: {training: {model: {weights: /weights/resnet50.pt}}}",
        "spec.training.model.weights",
        "training.model.weights is in no volume of the pods",
    ),
    Invalid(
        "splits-leave-nothing",
        "spec: {training: {data: {validationSplit: 0.5, testSplit: 0.5}}}",
        "spec.training.data.validationSplit",
        "lower one of them so that training images remain",
    ),
    Invalid(
        "split-zero",
        "spec: {training: {data: {validationSplit: 0}}}",
        "spec.training.data.validationSplit",
        "greater than 0",
    ),
    Invalid(
        "columns-the-same",
        "spec: {training: {data: {labelColumn: split}}}",
        "spec.training.data.labelColumn",
        "must be three different columns: rename one",
    ),
    Invalid(
        "persistent-workers-without-workers",
        "spec: {training: {data: {numWorkers: 0, persistentWorkers: true}}}",
        "spec.training.data.persistentWorkers",
        "set data.numWorkers above 0, or persistentWorkers to false",
    ),
    Invalid(
        "channels",
        "spec: {training: {data: {channels: 4}}}",
        "spec.training.data.channels",
        'supported values: "1", "3"',
    ),
    Invalid(
        "batch-size-negative",
        "spec: {training: {data: {batchSize: -32}}}",
        "spec.training.data.batchSize",
        "equal to 1",
    ),
    Invalid(
        "learning-rate-zero",
        "spec: {training: {optimizer: {learningRate: 0}}}",
        "spec.training.optimizer.learningRate",
        "greater than 0",
    ),
    Invalid(
        "dropout-one", "spec: {training: {model: {dropout: 1}}}", "spec.training.model.dropout", "less than 1"
    ),
    Invalid(
        "epochs-zero",
        "spec: {training: {maxEpochs: 0}}",
        "spec.training.maxEpochs",
        "greater than or equal to 1",
    ),
    Invalid(
        "monitor-unknown", "spec: {training: {monitor: accuracy}}", "spec.training.monitor", '"val_accuracy"'
    ),
    Invalid(
        "accelerator-unknown",
        "spec: {training: {accelerator: cuda}}",
        "spec.training.accelerator",
        'supported values: "auto", "gpu", "cpu"',
    ),
    Invalid(
        "gpu-without-gpus",
        "spec: {resources: {gpus: 0}, training: {accelerator: gpu}}",
        "spec.resources.gpus",
        "request at least one GPU, or set training.accelerator to cpu",
    ),
    Invalid(
        "half-precision-without-gpus",
        "spec: {resources: {gpus: 0}, training: {precision: 16-mixed}}",
        "spec.resources.gpus",
        "request at least one GPU, or set training.precision to auto",
    ),
    Invalid(
        "half-precision-on-the-cpu",
        "spec: {training: {accelerator: cpu, precision: 16-mixed}}",
        "spec.training.precision",
        "set training.precision to auto, 32-true or bf16-mixed",
    ),
]

POD = [
    Invalid(
        "label-reserved",
        "spec: {pod: {labels: {trainingrun.dev/run: other}}}",
        "spec.pod.labels",
        "pod.labels has a key that belongs to the operator",
    ),
    Invalid(
        "annotation-reserved",
        "spec: {pod: {annotations: {batch.kubernetes.io/x: other}}}",
        "spec.pod.annotations",
        "pod.annotations has a key that belongs to the operator",
    ),
    Invalid(
        "label-key",
        "spec: {pod: {labels: {my team: a}}}",
        "spec.pod.labels",
        "pod.labels has a key that Kubernetes refuses",
    ),
    Invalid(
        "annotation-key",
        "spec: {pod: {annotations: {a/b/c: x}}}",
        "spec.pod.annotations",
        "pod.annotations has a key that Kubernetes refuses",
    ),
    Invalid(
        "node-selector-key",
        "spec: {pod: {nodeSelector: {-pool: x}}}",
        "spec.pod.nodeSelector",
        "pod.nodeSelector has a key that Kubernetes refuses",
    ),
    Invalid(
        "label-value", "spec: {pod: {labels: {team: a b}}}", "spec.pod.labels[team]", "must be a label value"
    ),
    Invalid(
        "taint-key",
        "spec: {pod: {tolerations: [{key: a b}]}}",
        "spec.pod.tolerations[0].key",
        "such as nvidia.com/gpu: letters",
    ),
    Invalid(
        "toleration-of-no-key",
        "spec: {pod: {tolerations: [{effect: NoSchedule}]}}",
        "spec.pod.tolerations[0].operator",
        "set tolerations.operator to Exists, or name a key",
    ),
    Invalid(
        "toleration-of-any-value",
        "spec: {pod: {tolerations: [{key: a, operator: Exists, value: b}]}}",
        "spec.pod.tolerations[0].value",
        "remove tolerations.value, or set operator to Equal",
    ),
    Invalid(
        "toleration-seconds",
        "spec: {pod: {tolerations: [{key: a, tolerationSeconds: 5}]}}",
        "spec.pod.tolerations[0].tolerationSeconds",
        "set tolerations.effect to NoExecute, or remove tolerationSeconds",
    ),
    Invalid(
        "secret-twice",
        "spec: {pod: {imagePullSecrets: [a, a]}}",
        "spec.pod.imagePullSecrets[1]",
        "Duplicate value",
    ),
    Invalid(
        "grace-period-zero",
        "spec: {pod: {terminationGracePeriodSeconds: 0}}",
        "spec.pod.terminationGracePeriodSeconds",
        "greater than or equal to 1",
    ),
    Invalid("pod-template", "spec: {pod: {hostNetwork: true}}", "spec.pod.hostNetwork", "unknown field"),
]

LIFECYCLE = [
    Invalid(
        "failures-negative",
        "spec: {restart: {maxFailures: -1}}",
        "spec.restart.maxFailures",
        "greater than or equal to 0",
    ),
    Invalid(
        "failures-without-end",
        "spec: {restart: {maxFailures: 101}}",
        "spec.restart.maxFailures",
        "less than or equal to 100",
    ),
    Invalid(
        "backoff-above-its-limit",
        "spec: {restart: {backoffSeconds: 301}}",
        "spec.restart.backoffSeconds",
        "lower it, or raise maxBackoffSeconds",
    ),
    Invalid(
        "startup-without-time",
        "spec: {deadlines: {startupSeconds: 0}}",
        "spec.deadlines.startupSeconds",
        "greater than or equal to 1",
    ),
    Invalid(
        "active-without-time",
        "spec: {deadlines: {activeSeconds: 0}}",
        "spec.deadlines.activeSeconds",
        "greater than or equal to 1",
    ),
    Invalid(
        "stall-below-a-scrape",
        "spec: {deadlines: {stallSeconds: 4}}",
        "spec.deadlines.stallSeconds",
        "greater than or equal to 5",
    ),
    Invalid(
        "deadline-of-two-years",
        "spec: {deadlines: {activeSeconds: 63072000}}",
        "spec.deadlines.activeSeconds",
        "less than or equal to 31536000",
    ),
    Invalid(
        "deadline-unknown",
        "spec: {deadlines: {activeDeadlineSeconds: 60}}",
        "spec.deadlines.activeDeadlineSeconds",
        "unknown field",
    ),
    Invalid("suspend-as-text", 'spec: {suspend: "yes"}', "spec.suspend", "must be of type boolean"),
    Invalid(
        "project-in-capitals",
        "spec: {project: Chest}",
        "spec.project",
        "with at most 63 characters, such as chest-xray",
    ),
    Invalid("queue-with-space", "spec: {queue: team a}", "spec.queue", "must be the name of an object"),
    Invalid(
        "ttl-negative",
        "spec: {ttlSecondsAfterFinished: -1}",
        "spec.ttlSecondsAfterFinished",
        "greater than or equal to 0",
    ),
]

INVALID = [*NAMES, *SPEC, *RESOURCES, *ENVIRONMENT, *VOLUMES, *CHECKPOINTS, *CONFIG, *POD, *LIFECYCLE]

CHANGES = [
    *(
        Invalid(
            f"change-{field}",
            f"spec: {patch}",
            f"spec.{field}",
            f"spec.{field} cannot change once the run exists: create a run of another name",
            base,
        )
        for field, patch, base in (
            ("nodes", "{nodes: 2}", "training"),
            ("resources", "{resources: {gpus: 2}}", "training"),
            ("processesPerNode", "{processesPerNode: 1}", "training"),
            ("image", "{image: other}", "command"),
            ("training", "{training: {maxEpochs: 51}}", "training"),
            ("command", "{command: [bash]}", "command"),
            ("args", "{args: [--lr=1]}", "command"),
            ("env", "{env: [{name: A}]}", "training"),
            ("volumes", "{volumes: [{claim: images, mountPath: /data, readOnly: true}]}", "training"),
            ("checkpoints", "{checkpoints: {size: 20Gi}}", "training"),
            ("deadlines", "{deadlines: {stallSeconds: 60}}", "training"),
            ("project", "{project: chest}", "training"),
            ("restart.backoffSeconds", "{restart: {backoffSeconds: 1}}", "training"),
            ("restart.maxBackoffSeconds", "{restart: {maxBackoffSeconds: 600}}", "training"),
            ("restart.nodeLostSeconds", "{restart: {nodeLostSeconds: 5}}", "training"),
            ("pod.nodeSelector", "{pod: {nodeSelector: {pool: a}}}", "training"),
            ("pod.tolerations", "{pod: {tolerations: [{key: a}]}}", "training"),
            ("pod.imagePullSecrets", "{pod: {imagePullSecrets: [a]}}", "training"),
            ("pod.labels", "{pod: {labels: {team: a}}}", "training"),
            ("pod.annotations", "{pod: {annotations: {team: a}}}", "training"),
            (
                "pod.terminationGracePeriodSeconds",
                "{pod: {terminationGracePeriodSeconds: 90}}",
                "training",
            ),
        )
    ),
    Invalid(
        "lower-maxFailures",
        "spec: {restart: {maxFailures: 2}}",
        "spec.restart.maxFailures",
        "spec.restart.maxFailures can be raised, but not lowered",
    ),
    *(
        Invalid(
            f"change-{field}-of-an-active-run",
            f"spec: {patch}",
            f"spec.{field}",
            f"spec.{field} can change only while the run is suspended: set spec.suspend to true first",
        )
        for field, patch in (
            ("queue", "{suspend: true, queue: team-a}"),
            ("pod.priorityClassName", "{pod: {priorityClassName: high}}"),
        )
    ),
]
"""Patches over an object that exists already."""


@dataclass(frozen=True)
class Change:
    """A patch over an existing object that the API server must take."""

    name: str
    patch: str
    suspended: bool = False
    """Whether the existing object is."""

    def manifest(self) -> Object:
        """The changed object."""
        manifest: Object = merged(existing(suspended=self.suspended), yaml.safe_load(self.patch))
        return manifest


def existing(*, suspended: bool) -> Object:
    """The object under a Change."""
    patch = {"metadata": {"name": "suspended" if suspended else "active"}, "spec": {"suspend": suspended}}
    manifest: Object = merged(COMMAND, patch)
    return manifest


ALLOWED = [
    Change("suspend", "spec: {suspend: true}"),
    Change("go-on", "spec: {suspend: false}", suspended=True),
    Change("keep-for-a-day", "spec: {ttlSecondsAfterFinished: 86400}"),
    Change("more-failures", "spec: {restart: {maxFailures: 4}}"),
    Change("another-queue", "spec: {queue: team-b}", suspended=True),
    Change("another-queue-and-go-on", "spec: {queue: team-b, suspend: false}", suspended=True),
    Change("another-priority", "spec: {pod: {priorityClassName: high}}", suspended=True),
    Change("try-again", "metadata: {annotations: {trainingrun.dev/retry: please}}"),
]

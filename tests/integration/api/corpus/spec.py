"""Names of runs, and the spec apart from its config, its pods' fields and its lifecycle."""

from tests.integration.api.corpus.objects import Invalid

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

"""Environment, volumes and checkpoints."""

from tests.integration.api.corpus.objects import Invalid

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

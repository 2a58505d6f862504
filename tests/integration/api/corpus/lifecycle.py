"""Fields of the pods, and how a run is run."""

from tests.integration.api.corpus.objects import Invalid

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

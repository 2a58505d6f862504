"""Changes of objects that exist already: refused ones, and those that the API server must take."""

from dataclasses import dataclass

import yaml

from tests.integration.api.corpus.objects import COMMAND, Invalid, Object, merged

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

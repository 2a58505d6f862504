"""Kubernetes objects and policies that are the same whichever provider runs the cluster."""

from typing import Any

from tests.cluster.api import STORAGE_CLASS

Config = dict[str, Any]


def audit_policy() -> Config:
    """One line for each finished API request, with user and agent, without bodies; no health checks."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted", "Panic"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
            {"level": "Metadata"},
        ],
    }


def storage_class(provisioner: str) -> Config:
    """The default class: dynamic, ReadWriteMany, bound at once."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


def claim(namespace: str, name: str, size: str) -> Config:
    """A ReadWriteMany claim of the default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": STORAGE_CLASS,
            "resources": {"requests": {"storage": size}},
        },
    }


def fast_restarts() -> Config:
    """The part of a kubelet's configuration that restarts a crashing container at once: a test kills the
    operator many times, and the default delay grows to five minutes.
    """
    return {
        "featureGates": {"KubeletCrashLoopBackOffMax": True},
        "crashLoopBackOff": {"maxContainerRestartPeriod": "2s"},
    }

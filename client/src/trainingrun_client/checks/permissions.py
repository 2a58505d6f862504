"""What this user may do in the namespace."""

from collections.abc import Iterator

from trainingrun_api import names
from trainingrun_client.checks.finding import Finding, State
from trainingrun_client.connection import Connection, Resource

REVIEWS = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")
WANTED: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "submit, suspend, retry and cancel runs": tuple(
        (verb, names.GROUP, names.PLURAL, "") for verb in ("create", "patch", "delete")
    ),
    "see runs": tuple((verb, names.GROUP, names.PLURAL, "") for verb in ("get", "list", "watch")),
    "read logs and metrics": (
        ("get", "", "pods", "log"), *((verb, "", "pods", "") for verb in ("get", "list", "watch")),
    ),
    "move files (data, artifacts)": (
        ("create", "", "pods", ""), ("create", "", "pods", "exec"), ("get", "", "pods", "exec"),
        ("delete", "", "pods", ""), ("get", "", "persistentvolumeclaims", ""),
    ),
}  # fmt: skip
"""What it is good for: verb, group, resource, subresource."""


def permissions(connection: Connection) -> Iterator[Finding]:
    """One finding for each thing that people want to do."""
    for purpose, rights in WANTED.items():
        missing = [_words(right) for right in rights if not _allowed(connection, right)]
        if missing:
            detail = f"may not {purpose} in {connection.namespace}: {', '.join(missing)}"
            advice = (
                "have the ClusterRole edit bound to you in this namespace; the chart adds TrainingRuns to it"
            )
            yield Finding("permissions", State.WARNING, detail, advice)
        else:
            yield Finding("permissions", State.OK, f"may {purpose} in {connection.namespace}")


def _allowed(connection: Connection, right: tuple[str, str, str, str]) -> bool:
    verb, group, resource, subresource = right
    attributes = {
        "namespace": connection.namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
    }
    review = {
        "apiVersion": REVIEWS.api_version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool(connection.create(REVIEWS.path(), review)["status"]["allowed"])


def _words(right: tuple[str, str, str, str]) -> str:
    verb, _, resource, subresource = right
    return f"{verb} {resource}/{subresource}" if subresource else f"{verb} {resource}"

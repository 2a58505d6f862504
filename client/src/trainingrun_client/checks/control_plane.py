"""API server, definition and operator."""

from collections.abc import Iterator

from trainingrun_api import names
from trainingrun_client.checks.finding import Finding, State
from trainingrun_client.connection import Connection, Resource
from trainingrun_client.errors import NotFoundError
from trainingrun_client.installation import Installation, find_installations

NAMESPACES = Resource("v1", "namespaces")
OLDEST = (1, 31)
"""As `kubeVersion` of the chart."""
INSTALL = "helm upgrade --install trainingrun-operator charts/trainingrun-operator -n trainingrun-system"


def cluster(connection: Connection) -> Iterator[Finding]:
    """Reachable, and new enough."""
    told = connection.get("/version")
    version = int(told["major"]), int(told["minor"].rstrip("+"))
    found = f"Kubernetes {told['gitVersion']} at {connection.host}, context {connection.context}"
    if version < OLDEST:
        advice = (
            f"upgrade it to {OLDEST[0]}.{OLDEST[1]} or newer: older ones lack rules that the definition needs"
        )
        yield Finding("cluster", State.FAILED, found, advice)
    else:
        yield Finding("cluster", State.OK, found)


def definition(connection: Connection) -> Iterator[Finding]:
    """TrainingRuns are known."""
    try:
        known = connection.get(f"/apis/{names.API_VERSION}")
    except NotFoundError:
        detail = f"the API server does not know {names.API_VERSION}"
        yield Finding("definition", State.FAILED, detail, f"install the chart: {INSTALL}")
        return
    served = any(each["name"] == names.PLURAL for each in known["resources"])
    state = State.OK if served else State.FAILED
    yield Finding("definition", state, f"{names.CRD_NAME}, {names.VERSION}", "" if served else INSTALL)


def operator(connection: Connection) -> Iterator[Finding]:
    """One that works and serves this namespace."""
    found = find_installations(connection)
    if not found:
        yield Finding(
            "operator", State.FAILED, "there is no Deployment of it", f"install the chart: {INSTALL}"
        )
    for each in found:
        yield _operator(each, connection.namespace)


def namespace(connection: Connection) -> Iterator[Finding]:
    """It is there."""
    name = connection.namespace
    try:
        connection.get(NAMESPACES.path(name=name))
    except NotFoundError:
        advice = f"kubectl create namespace {name}, or give another by -n"
        yield Finding("namespace", State.FAILED, f"{name} does not exist", advice)
    else:
        yield Finding("namespace", State.OK, name)


def _operator(found: Installation, namespace: str) -> Finding:
    where = f"{found.namespace}/{found.name}, {found.ready} of {found.wanted} ready, {found.image}"
    if not found.ready:
        advice = f"kubectl -n {found.namespace} describe deployment {found.name}; kubectl -n "
        advice += f"{found.namespace} logs deployment/{found.name}"
        return Finding("operator", State.FAILED, f"{where}: {found.message}".rstrip(": "), advice)
    if not found.serves(namespace):
        served = ", ".join(found.namespaces)
        advice = f"add it to watchNamespaces of the chart, or use one of {served}"
        return Finding("operator", State.FAILED, f"{where}: it does not serve {namespace}", advice)
    return Finding("operator", State.OK, where)

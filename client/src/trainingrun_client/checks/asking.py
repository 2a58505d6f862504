"""All checks, in the order in which a run needs what they look at."""

from collections.abc import Callable, Iterator, Mapping

from trainingrun_client.checks import control_plane, nodes, permissions, storage
from trainingrun_client.checks.finding import Finding, State
from trainingrun_client.connection import Connection
from trainingrun_client.errors import ApiError, ForbiddenError, UnauthorizedError, UnreachableError

CHECKS: Mapping[str, Callable[[Connection], Iterator[Finding]]] = {
    "cluster": control_plane.cluster,
    "definition": control_plane.definition,
    "operator": control_plane.operator,
    "namespace": control_plane.namespace,
    "permissions": permissions.permissions,
    "GPUs": nodes.gpus,
    "image": nodes.image,
    "DNS": nodes.dns,
    "storage": storage.classes,
    "quota": storage.quotas,
}
"""By name."""


def examine(connection: Connection) -> Iterator[Finding]:
    """One finding after the other; where the cluster does not answer, the first is the last."""
    for name, check in CHECKS.items():
        try:
            yield from check(connection)
        except UnreachableError as error:
            advice = "check the server's address in the kubeconfig, the network, and VPN or proxy"
            yield Finding(name, State.FAILED, f"{connection.host}: {error}", advice)
            return
        except UnauthorizedError as error:
            yield Finding(name, State.FAILED, str(error))
            return
        except ForbiddenError as error:
            yield Finding(name, State.UNKNOWN, f"not visible: {error}", "ask somebody who may see it")
        except ApiError as error:
            yield Finding(name, State.UNKNOWN, f"HTTP {error.status}: {error}")

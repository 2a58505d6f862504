"""The test cluster: a real Kubernetes on whatever machine the tests run on.

Two providers stand behind one interface (`api.Cluster`): `kind` where a Docker engine answers, and `bare`,
which runs the Kubernetes binaries themselves on two nodes, everywhere else. Everything above this package is
the same on both. System Python runs it before any virtual environment exists: standard library only.

    from tests.cluster import current
    cluster = current()          # the provider in use here, or the one that `up` would choose
    cluster.up()                 # idempotent
"""

from tests.cluster.api import Cluster, ClusterError, Status
from tests.cluster.providers import current

__all__ = ["Cluster", "ClusterError", "Status", "current"]

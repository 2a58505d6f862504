"""Which provider is used here."""

from tests.cluster.api import Cluster, ClusterError
from tests.cluster.bare.provider import BareCluster
from tests.cluster.base import PROVIDER_RECORD
from tests.cluster.kind.provider import KindCluster
from tests.cluster.shell import succeeds

PROVIDERS: dict[str, type[BareCluster] | type[KindCluster]] = {"bare": BareCluster, "kind": KindCluster}


def current(provider: str = "auto") -> Cluster:
    """The named provider's cluster; `auto`: the one in use, else kind where Docker answers, else bare.

    Raises:
        ClusterError: no such provider.
    """
    if provider == "auto":
        if PROVIDER_RECORD.exists():
            provider = PROVIDER_RECORD.read_text()
        else:
            provider = "kind" if succeeds(["docker", "info"]) else "bare"
    if provider not in PROVIDERS:
        raise ClusterError(f"no provider {provider!r}; there are auto, {', '.join(PROVIDERS)}")
    return PROVIDERS[provider]()

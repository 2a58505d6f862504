"""The only door to kopf, which serves as an informer of TrainingRuns and nothing else; their Jobs and pods
come by `children`.

The handler hands on what it is told; it decides nothing and writes nothing. So kopf needs no finalizers,
annotations or retries of its own, and the number of events does not matter.
It keeps no indices either: for each object of a list kopf would wake all those that wait for the others.
"""

from typing import Any, Protocol

import kopf

from trainingrun_api import names
from trainingrun_operator.observed import Run, run_from
from trainingrun_operator.settings import Settings

RUNS = (names.GROUP, names.VERSION, names.PLURAL)

OUTAGE_BACKOFFS = (1, 1, 2, 3) + (5,) * 120
"""Seconds between tries while the API server is away: the watch is back within moments of its return. After
ten minutes the process ends, which Kubernetes then takes for a new trouble and starts it again at once."""


class Seen(Protocol):
    """Takes note of an event of a run."""

    def __call__(self, run: Run, *, gone: bool) -> None:
        """`gone` where it was the last one."""


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf would copy every object with every event to tell what changed in it, which nobody asks."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        pass


async def watch(settings: Settings, seen: Seen) -> None:
    """Watches until SIGTERM or SIGINT; fails where the watch cannot go on, so that Kubernetes restarts the
    process."""
    await kopf.operator(
        registry=_registry(seen),
        settings=_kopf_settings(),
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
    )


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoDiffs()
    # Without this kopf would need to list namespaces and CRDs, which a namespaced installation may not.
    settings.scanning.disabled = True
    # Connections die unnoticed; each of these bounds how long the operator can be deaf.
    settings.watching.server_timeout = 300
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 10
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = OUTAGE_BACKOFFS
    settings.watching.chunk_size = 500
    # kopf keeps a task and a queue for each object of late: for 10,000 at once, after a list, that is much.
    settings.queueing.idle_timeout = 0.2
    # Handlers end within a moment, so a stopping operator need not wait for them.
    settings.queueing.exit_timeout = 0.1
    settings.process.ultimate_exiting_timeout = 20
    return settings


def _registry(seen: Seen) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(*RUNS, registry=registry)
    async def on_run(body: kopf.Body, type: str | None, **_: Any) -> None:
        seen(run_from(body), gone=type == "DELETED")

    return registry

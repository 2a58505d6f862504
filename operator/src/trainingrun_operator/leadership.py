"""Takes and keeps the Lease of the operator that works, in a thread of its own; the rules: election.py.

The others stand by with their watches on, so that they can go on at once. A holder that finds another in its
place ends: what it remembers may be outdated.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from trainingrun_operator.cluster import LEASES, ApiCluster
from trainingrun_operator.election import LEASE_SECONDS, RENEW_SECONDS, Sighting, holds, may_take, sighted
from trainingrun_operator.errors import AlreadyExistsError, ConflictError, NotFoundError, OperatorError

REQUEST_SECONDS = 5.0
"""How long a request that is under way may keep a process that ends."""

log = logging.getLogger(__name__)


class Leadership:
    """One process's part in the election."""

    def __init__(
        self,
        cluster: ApiCluster,
        namespace: str,
        name: str,
        identity: str,
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """`identity` must be new with each start of the process."""
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._monotonic = monotonic
        self._now = now
        self._body: dict[str, Any] | None = None
        self._seen: Sighting | None = None
        self._renewed: float | None = None
        self._elected = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def holds(self) -> bool:
        """Whether this process may write now. Any thread may ask."""
        return holds(self._renewed, self._monotonic())

    def start(self, on_elected: Callable[[], object], on_lost: Callable[[], object]) -> None:
        """Begins to stand for election; either is called once at most. This process must end on `on_lost`."""

        def stand() -> None:
            try:
                self._stand(on_elected)
            except Exception:
                # Without its election an operator would live on and do nothing.
                log.exception("the election ended")
            if not self._ending.is_set():
                on_lost()

        self._thread = threading.Thread(target=stand, name="lease", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Gives the Lease back, where this process holds it: to be called when nothing writes any more."""
        self._ending.set()
        if self._thread is None:
            return
        self._thread.join(REQUEST_SECONDS)
        if self._thread.is_alive() or not self.holds:
            return
        self._renewed = None
        try:
            self._write("")
            log.info("gave the lease back")
        except OperatorError as error:
            log.warning("the lease was not given back and ends in %s s: %s", LEASE_SECONDS, error)

    def _stand(self, on_elected: Callable[[], object]) -> None:
        """Until this process ends, or has lost what it held."""
        while not self._ending.is_set():
            try:
                self._look()
            except OperatorError as error:
                log.warning("the lease could not be read or renewed: %s", error)
            if self._elected and self._lost:
                log.error("lost the lease to %s", self._seen.holder if self._seen else "nobody")
                return
            if self.holds and not self._elected:
                self._elected = True
                log.info("holds the lease")
                on_elected()
            self._ending.wait(RENEW_SECONDS)

    @property
    def _lost(self) -> bool:
        return self._seen is None or self._seen.holder != self._identity

    def _look(self) -> None:
        """Renew the Lease or try to take it; else see who has it."""
        if not self.holds:
            self._read()
        began = self._monotonic()
        if (self._elected and self._lost) or not may_take(self._seen, self._identity, began):
            return
        try:
            self._write(self._identity)
            self._renewed = began
        except (AlreadyExistsError, ConflictError, NotFoundError):
            # Somebody else was quicker, an answer got lost, or it was deleted and is anybody's.
            self._renewed = None
            self._read()

    def _read(self) -> None:
        self._take_in(self._cluster.get(LEASES, self._namespace, self._name))

    def _write(self, holder: str) -> None:
        stamp = self._now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        before = (self._body or {}).get("spec", {})
        changes = before.get("holderIdentity", "") != holder
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": stamp if changes else before.get("acquireTime", stamp),
            "renewTime": stamp,
            "leaseTransitions": before.get("leaseTransitions", 0) + bool(changes and holder and before),
        }
        if self._body is None:
            meta = {"namespace": self._namespace, "name": self._name}
            lease = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": meta, "spec": spec}
            self._take_in(self._cluster.create(lease))
        else:
            self._take_in(self._cluster.replace(LEASES, {**self._body, "spec": spec}))

    def _take_in(self, body: dict[str, Any] | None) -> None:
        self._body = body
        if body is None:
            self._seen = None
            return
        spec = body.get("spec", {})
        fresh = Sighting(
            holder=spec.get("holderIdentity") or "",
            version=body["metadata"]["resourceVersion"],
            seconds=spec.get("leaseDurationSeconds") or LEASE_SECONDS,
            since=self._monotonic(),
        )
        self._seen = sighted(self._seen, fresh)

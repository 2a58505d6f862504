"""On a person's machine: whoever holds the one-time key acts with the kubeconfig's own rights.

Other people's processes on the machine can reach the port, so that being on loopback proves nothing. The key
is shown at the start to whoever started the service, and opens one session.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from threading import Lock
from typing import Any

from starlette.requests import HTTPConnection

from trainingrun_api import names
from trainingrun_client.connection import Connection, Resource
from trainingrun_console.access import csrf, proof
from trainingrun_console.access.caller import Caller
from trainingrun_console.access.kept import Kept
from trainingrun_console.access.limits import Callers

ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")
READING = frozenset({"get", "list", "watch"})
KEPT_SECONDS = 10.0
MOST_ANSWERS = 1000
TRIES_PER_SECOND = 1.0


class LoopbackGate:
    """Before every route of a console on loopback."""

    def __init__(self, connection: Connection, port: int) -> None:
        """
        Args:
            connection: by the kubeconfig.
            port: of the service. Cookies do not know ports, so its name does.
        """
        self.key = secrets.token_urlsafe(24)
        """Shown once, taken once."""
        self.cookie, self.secure = f"trainingrun-{port}", False
        self._connection = connection
        self._unused = True
        self._sessions: set[bytes] = set()
        self._lock = Lock()
        self._tries = Callers(TRIES_PER_SECOND)
        self._rights: Kept[tuple[str, str | None], bool] = Kept(KEPT_SECONDS, MOST_ANSWERS)

    def caller(self, request: HTTPConnection) -> Caller:
        """As `Gate` says."""
        given = proof.presented(request, self.cookie)
        if _digest(given.secret) not in self._sessions:
            raise proof.unauthorized("the session is over: start the console again for a new key")
        found = _LoopbackCaller(given.secret, self._connection, self._rights)
        if given.by_cookie:
            csrf.check(request, found.csrf)
        return found

    def enter(self, secret: str, request: HTTPConnection) -> str:
        """A new session for the key, which is then used up."""
        self._tries.admit(proof.address(request))
        with self._lock:
            if not hmac.compare_digest(secret.encode(), self.key.encode()):
                raise proof.unauthorized("that is not the key that was shown when the console started")
            if not self._unused:
                raise proof.unauthorized("the key was used already: start the console again for a new one")
            self._unused = False
            session = secrets.token_urlsafe(32)
            self._sessions.add(_digest(session))
            return session

    def leave(self, request: HTTPConnection) -> None:
        """Forgets the session."""
        self._sessions.discard(_digest(request.cookies.get(self.cookie, "")))


class _LoopbackCaller:
    """Whoever started the service."""

    def __init__(
        self, session: str, connection: Connection, rights: Kept[tuple[str, str | None], bool]
    ) -> None:
        self._session, self._connection, self._rights = session, connection, rights

    @property
    def name(self) -> str:
        return f"context {self._connection.context}"

    @property
    def csrf(self) -> str:
        return csrf.token(self._session)

    def may(self, verb: str, namespace: str | None) -> bool:
        """The history on their own machine is theirs to read, even while the cluster is away."""
        return verb in READING or self._rights.get(
            (verb, namespace), lambda: _allowed(self._connection, verb, namespace)
        )

    def connection(self) -> Connection:
        return self._connection


def _allowed(connection: Connection, verb: str, namespace: str | None) -> bool:
    resource = {"group": names.GROUP, "resource": names.PLURAL, "verb": verb, "namespace": namespace or ""}
    body: Mapping[str, Any] = {
        "apiVersion": ACCESS_REVIEWS.api_version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": resource},
    }
    status = connection.create(ACCESS_REVIEWS.path(), body).get("status") or {}
    return bool(status.get("allowed"))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()

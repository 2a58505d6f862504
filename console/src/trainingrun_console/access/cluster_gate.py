"""In a cluster the API server decides: by TokenReview who calls, by SubjectAccessReview what they may.

The console asks with its own service account, which can only read; what a caller changes goes to the API
server with the caller's own token. Answers are kept for some seconds under the SHA-256 of the token. The
token itself is never kept, logged or put into an answer.

https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes.client import ApiClient, Configuration
from starlette.requests import HTTPConnection

from trainingrun_api import names
from trainingrun_client.connection import RETRIES, Connection, Resource
from trainingrun_client.errors import ApiError
from trainingrun_console.access import csrf, proof
from trainingrun_console.access.caller import Caller
from trainingrun_console.access.kept import Kept
from trainingrun_console.access.limits import Callers
from trainingrun_console.api.problems import unavailable

TOKEN_REVIEWS = Resource("authentication.k8s.io/v1", "tokenreviews")
ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "subjectaccessreviews")
KEPT_SECONDS = 10.0
"""So long a token that was revoked, or a right that was taken, may still count."""
MOST_CALLERS, MOST_ANSWERS = 10_000, 50_000
REVIEWS_PER_SECOND = 20.0
"""Tokens from one address that the API server does not know."""
WAY = ("host", "verify_ssl", "ssl_ca_cert", "assert_hostname", "tls_server_name", "proxy", "no_proxy")
"""Settings that lead to the API server and prove nothing."""
LONGEST_COOKIE = 3800
"""Browsers take 4 KiB with the name."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the API server knows by a token."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Right:
    """What is asked of whom."""

    digest: bytes
    """Of the token."""
    verb: str
    namespace: str | None


class ClusterGate:
    """Before every route of a console in a cluster."""

    def __init__(
        self,
        connection: Connection,
        *,
        secure: bool = False,
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            connection: of the service itself; it may create tokenreviews and subjectaccessreviews.
            secure: whether cookies go over TLS only.
            seconds: how long answers are kept.
        """
        self.secure = secure
        self.cookie = "__Host-trainingrun" if secure else "trainingrun"
        self._connection = connection
        self._callers: Kept[bytes, Identity | None] = Kept(seconds, MOST_CALLERS, clock=clock)
        self._rights: Kept[Right, bool] = Kept(seconds, MOST_ANSWERS, clock=clock)
        self._strangers = Callers(REVIEWS_PER_SECOND, clock=clock)

    def caller(self, request: HTTPConnection) -> Caller:
        """As `Gate` says; raises UnreachableError besides."""
        given = proof.presented(request, self.cookie)
        found = self._known(given.secret, request)
        if given.by_cookie:
            csrf.check(request, found.csrf)
        return found

    def enter(self, secret: str, request: HTTPConnection) -> str:
        """The cookie holds the token itself, so that any replica can serve it."""
        if len(secret) > LONGEST_COOKIE:
            raise proof.unauthorized(
                f"the token is longer than {LONGEST_COOKIE} characters, which no cookie holds: take one of "
                "kubectl create token, or have a proxy send yours as Authorization: Bearer"
            )
        self._known(secret, request)
        return secret

    def leave(self, request: HTTPConnection) -> None:
        """Nothing: there is no session but the cookie."""

    def _known(self, token: str, request: HTTPConnection) -> "_ClusterCaller":
        digest = hashlib.sha256(token.encode()).digest()

        def ask() -> Identity | None:
            # Many people may come from the address of one proxy: only what proves nothing counts.
            address = proof.address(request)
            self._strangers.admit(address, cost=0)
            found = self._review(token)
            if found is None:
                self._strangers.admit(address)
            return found

        identity = self._callers.get(digest, ask)
        if identity is None:
            raise proof.unauthorized("the cluster does not know the token, or it has expired: log in again")
        return _ClusterCaller(
            identity,
            token,
            lambda verb, namespace: self._may(digest, identity, verb, namespace),
            self._connection,
        )

    def _review(self, token: str) -> Identity | None:
        status = self._ask(TOKEN_REVIEWS, "TokenReview", {"token": token})
        if not status.get("authenticated"):
            return None
        user = status["user"]
        return Identity(
            user.get("username", ""),
            user.get("uid", ""),
            tuple(user.get("groups") or ()),
            user.get("extra") or {},
        )

    def _may(self, digest: bytes, identity: Identity, verb: str, namespace: str | None) -> bool:
        resource = {
            "group": names.GROUP,
            "resource": names.PLURAL,
            "verb": verb,
            "namespace": namespace or "",
        }
        spec = {
            "user": identity.name,
            "uid": identity.uid,
            "groups": list(identity.groups),
            "extra": dict(identity.extra),
            "resourceAttributes": resource,
        }

        def ask() -> bool:
            return bool(self._ask(ACCESS_REVIEWS, "SubjectAccessReview", spec).get("allowed"))

        return self._rights.get(Right(digest, verb, namespace), ask)

    def _ask(self, resource: Resource, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": resource.api_version, "kind": kind, "spec": spec}
        try:
            status: dict[str, Any] = self._connection.create(resource.path(), body).get("status") or {}
        except ApiError as error:
            # Its words could repeat the token.
            raise unavailable(
                f"the API server refuses a {kind} of the console (HTTP {error.status}): its service account "
                f"must be allowed to create {resource.plural}"
            ) from None
        return status


class _ClusterCaller:
    """Somebody whose token the API server knows."""

    def __init__(
        self,
        identity: Identity,
        token: str,
        may: Callable[[str, str | None], bool],
        service: Connection,
    ) -> None:
        self._identity, self._token, self._may, self._service = identity, token, may, service

    @property
    def name(self) -> str:
        return self._identity.name

    @property
    def csrf(self) -> str:
        return csrf.token(self._token)

    def may(self, verb: str, namespace: str | None) -> bool:
        return self._may(verb, namespace)

    def connection(self) -> Connection:
        """The service's way to the API server, without any of its own credentials."""
        return with_token(self._service, self._token)


def with_token(service: Connection, token: str) -> Connection:
    """The same way to the API server, by a token instead of the service's own credentials."""
    own, settings = service.client.configuration, Configuration()
    for name in WAY:
        setattr(settings, name, getattr(own, name))
    settings.api_key = {"BearerToken": f"Bearer {token}"}
    settings.retries = RETRIES
    client = ApiClient(settings)
    client.user_agent = service.client.user_agent
    return Connection(client, service.namespace, service.context)

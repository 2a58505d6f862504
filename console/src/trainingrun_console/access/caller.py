"""What the rest of the service knows of whoever calls."""

from typing import Protocol

from starlette.requests import HTTPConnection

from trainingrun_client.connection import Connection


class Caller(Protocol):
    """Somebody whose identity is proven."""

    @property
    def name(self) -> str:
        """As Kubernetes knows them, such as anna or system:serviceaccount:chest:bot."""

    @property
    def csrf(self) -> str:
        """What a form of this caller's must bring back in csrf_token; scripts in the header X-CSRF-Token."""

    def may(self, verb: str, namespace: str | None) -> bool:
        """Whether the caller may do that to trainingruns of the namespace; None: of all namespaces.

        Kept for some seconds. Raises UnreachableError.
        """

    def connection(self) -> Connection:
        """The way to the API server with the caller's own rights, for logs, artifacts and all changes."""


class Gate(Protocol):
    """Before every route."""

    def caller(self, request: HTTPConnection) -> Caller:
        """Who calls, by bearer token or cookie; may ask the API server, so it is called in a thread.

        Raises Problem: 401 without a valid proof, 403 where a change by cookie lacks the CSRF token.
        """

"""Counts API requests from the API server's audit log, the only place that sees them all.

Input: lines at level Metadata, stage ResponseComplete, of
https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

READ_VERBS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class Request:
    """One request that the API server answered."""

    user: str
    verb: str
    resource: str
    """Plural, with the subresource after a slash."""
    namespace: str
    name: str
    code: int
    user_agent: str = ""

    @property
    def is_read(self) -> bool:
        return self.verb in READ_VERBS


def parse(lines: Iterable[str]) -> list[Request]:
    """The requests in audit lines; a line that the server is still writing is left out."""
    requests = []
    for line in lines:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if event.get("stage") != "ResponseComplete":
            continue
        target = event.get("objectRef", {})
        resource = target.get("resource", "")
        if target.get("subresource"):
            resource = f"{resource}/{target['subresource']}"
        requests.append(
            Request(
                user=event["user"]["username"],
                verb=event["verb"],
                resource=resource,
                namespace=target.get("namespace", ""),
                name=target.get("name", ""),
                code=event.get("responseStatus", {}).get("code", 0),
                user_agent=event.get("userAgent", ""),
            )
        )
    return requests


class AuditMark:
    """A place in the audit log: what is written from here on can be read back."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = log.stat().st_size

    def requests(self, user: str = "") -> list[Request]:
        """Requests since the mark, of one user or of all."""
        with self._log.open(encoding="utf-8") as stream:
            stream.seek(self._offset)
            found = parse(stream)
        return [request for request in found if not user or request.user == user]


def by_verb_and_resource(requests: Iterable[Request]) -> Counter[str]:
    """How many requests of each kind, such as {"create jobs": 50}."""
    return Counter(f"{request.verb} {request.resource}" for request in requests)

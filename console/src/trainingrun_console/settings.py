"""What a service is told at its start; the chart and the command line set it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REQUESTS_PER_SECOND = 50.0
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it."""

    loopback: bool = True
    """On a person's machine: a one-time key, the kubeconfig's rights. Else TokenReview and
    SubjectAccessReview."""
    namespaces: Sequence[str] | None = None
    """Only of these; None: of all."""
    secure_cookies: bool = False
    """Only over TLS; set where an ingress ends it."""
    allowed_hosts: Sequence[str] = LOOPBACK_HOSTS
    """Names by which the service is called; others are refused, for DNS can point anywhere. ["*"]: any."""
    keep_days: int | None = None
    """Finished runs older than this are forgotten; None: never."""
    keep_runs: int | None = None
    """Of finished runs only so many, the newest, are kept; None: all."""
    requests_per_second: float = REQUESTS_PER_SECOND
    """Of one caller, in the mean; a burst may be four times that."""
    run_directories: Mapping[str, Path] = field(default_factory=dict)
    """Claims that are mounted here, as namespace/claim: directory."""

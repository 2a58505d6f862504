"""What an API server does with a manifest before anything else sees it, as far as this machine needs it."""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_client.errors import Cause, InputError, InvalidError
from trainingrun_client.local import status
from trainingrun_client.local.environment import shows_gpu
from trainingrun_client.manifests import checked_spec
from trainingrun_operator.policies.suspend import SUSPENDED
from trainingrun_operator.times import to_timestamp

NAMESPACE = "local"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
"""Of a run and its directory; a cluster takes less."""


def accepted(manifest: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The object with all defaults.

    Raises InvalidError, whose causes name the fields, and InputError.
    """
    meta = dict(manifest["metadata"])
    name = meta.get("name", "")
    if not NAME.fullmatch(name):
        raise InputError(
            f'the run\'s name {name!r} must be of letters, digits, "-", "_" and ".", a letter or digit first'
        )
    spec = checked_spec(manifest)
    if spec.training and spec.training.accelerator == "gpu" and not shows_gpu():
        raise InputError(
            "training.accelerator is gpu, but no GPU shows on this machine: set it to auto or cpu"
        )
    begun = status.with_findings(TrainingRunStatus(), SUSPENDED if spec.suspend else status.PENDING, now)
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            **meta,
            "namespace": NAMESPACE,
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": to_timestamp(now),
        },
        "spec": spec.to_wire(),
        "status": begun.to_wire(),
    }


def patched(body: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The object after a JSON merge patch. Raises InvalidError where what it trains would change."""
    result: dict[str, Any] = _merged(body, change)
    before, after = body["spec"], result["spec"]
    causes = tuple(
        Cause(f"spec.{name}", "cannot change: submit the corrected run under another name")
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and name not in TrainingRunSpec.mutable
    )
    if causes:
        raise InvalidError(422, "; ".join(f"{each.field}: {each.message}" for each in causes), causes)
    checked_spec(result)
    return result


def differences(one: Any, other: Any, path: str = "training") -> list[str]:
    """Paths of the values that differ."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return [] if one == other else [path]
    return [
        found
        for name in sorted(one.keys() | other.keys())
        for found in differences(one.get(name), other.get(name), f"{path}.{name}")
    ]


def _merged(body: Any, change: Any) -> Any:
    """Source: RFC 7386."""
    if not isinstance(change, Mapping):
        return change
    known = dict(body) if isinstance(body, Mapping) else {}
    for name, value in change.items():
        if value is None:
            known.pop(name, None)
        else:
            known[name] = _merged(known.get(name), value)
    return known

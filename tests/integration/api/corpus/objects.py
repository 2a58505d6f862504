"""Valid objects, and how a case changes one of them."""

from dataclasses import dataclass
from typing import Any

import yaml

from trainingrun_api import names

Object = dict[str, Any]


def _run(spec: str) -> Object:
    metadata = {"name": "valid"}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": metadata,
        "spec": yaml.safe_load(spec),
    }


TRAINING = _run("""
    training:
      task: classification
      data: {format: zip, path: /data/images.zip}
    volumes: [{claim: images, mountPath: /data}]
    checkpoints: {size: 10Gi}
""")
COMMAND = _run("""
    image: registry.example.com/team/program:1.0
    command: [python, train.py]
""")


@dataclass(frozen=True)
class Invalid:
    """A patch over a valid object, and what the refusal must say."""

    name: str
    patch: str
    field: str
    words: str
    base: str = "training"

    def manifest(self) -> Object:
        """The invalid object."""
        base = {"training": TRAINING, "command": COMMAND}[self.base]
        manifest: Object = merged(base, yaml.safe_load(self.patch))
        return manifest


def merged(base: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7386: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    kept = base if isinstance(base, dict) else {}
    result = {key: value for key, value in kept.items() if key not in patch or patch[key] is not None}
    return result | {key: merged(kept.get(key), value) for key, value in patch.items() if value is not None}

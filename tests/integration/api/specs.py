"""Valid specs, as users write them, with the reviewed copies of what the API server makes of them."""

from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api import TREE

GOLDEN = TREE / "tests" / "golden" / "api"
_DEFAULTED = ".defaulted.yaml"

SPECS = sorted(path for path in (GOLDEN / "specs").glob("*.yaml") if not path.name.endswith(_DEFAULTED))


def defaulted(spec: Path) -> Path:
    """The reviewed copy of a spec with its defaults."""
    return spec.with_name(spec.stem + _DEFAULTED)


def load(path: Path) -> dict[str, Any]:
    """A spec of one of the files."""
    spec: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return spec

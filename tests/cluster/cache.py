"""Where built and downloaded things are kept, outside the checkout, so that every clone shares them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """TRAININGRUN_CACHE, or `trainingrun` in XDG_CACHE_HOME, or in ~/.cache."""
    if own := environment.get("TRAININGRUN_CACHE"):
        return Path(own)
    if xdg := environment.get("XDG_CACHE_HOME"):
        return Path(xdg) / "trainingrun"
    return Path.home() / ".cache" / "trainingrun"


def content_key(folder: Path, extra: Iterable[str] = ()) -> str:
    """A hash of the names and bytes of all files under `folder` and of the `extra` words: 16 hex digits."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    for word in extra:
        digest.update(f"{word}\0".encode())
    return digest.hexdigest()[:16]

"""Where a person's history lies when they name no database: a file for each cluster, theirs alone.

Two clusters must not share one: a run that the one has and the other has not would be taken for deleted.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path


def database_file(server: str, environ: Mapping[str, str]) -> Path:
    """For the API server with that URL. Pure.

    >>> database_file("https://10.0.0.1:6443", {"XDG_DATA_HOME": "/data"}).as_posix()
    '/data/trainingrun/history-10.0.0.1-6443.db'
    """
    data = environ.get("XDG_DATA_HOME", "")
    home = Path(data) if Path(data).is_absolute() else Path(environ.get("HOME", "~")) / ".local" / "share"
    cluster = re.sub(r"[^A-Za-z0-9.]+", "-", server.partition("://")[2] or server).strip("-.")
    return home.expanduser() / "trainingrun" / f"history-{cluster[:200]}.db"


def make_private(path: Path) -> None:
    """Make the file and its directory, for nobody else to read. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite gives the files beside it the same mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def url_of(path: Path) -> str:
    """As the history takes it."""
    return f"sqlite:///{path}"

"""Makes `.venv` hold exactly what requirements/dev.txt locks, and renews the locks themselves.

    python3 -m tests.venv          make or update .venv; nothing to do takes no time
    python3 -m tests.venv demo     what the demo needs, in seconds, unless .venv has more
    python3 -m tests.venv lock     resolve pyproject.toml into requirements/*.txt again

First step of every `make` target that runs Python, so system Python has to run it: standard library only. uv
does the work. It is itself pinned by hash, and keeps what it fetched in the cache that all clones share.
"""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster import ClusterError
from tests.cluster.api import DOT_CLUSTER, TREE
from tests.cluster.cache import cache_root
from tests.cluster.debian import ensure_pip
from tests.cluster.shell import run_logged, step

VENV = TREE / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = DOT_CLUSTER / "venv.log"
"""The output of the last command of pip or uv, which is the one that failed."""
ADVICE = (
    "pip and uv must reach a package index (PIP_INDEX_URL and UV_DEFAULT_INDEX choose another), and the disk "
    "needs 8 GB; `rm -rf .venv` makes the next `make venv` start afresh"
)
STAMP = VENV / "trainingrun.stamp"
REQUIREMENTS = TREE / "requirements"
LOCK, DEMO_LOCK = REQUIREMENTS / "dev.txt", REQUIREMENTS / "demo.txt"
LOCKS: Mapping[str, Sequence[str]] = {
    "uv.txt": ("requirements/uv.in",),
    "build.txt": ("requirements/build.in",),
    "operator.txt": ("pyproject.toml", "--extra=operator"),
    "trainer.txt": ("pyproject.toml", "--extra=trainer"),
    "audit.txt": ("requirements/audit.in",),
    "client.txt": ("pyproject.toml", "--extra=client", "--extra=notebook"),
    "console.txt": ("pyproject.toml", "--extra=console"),
    "demo.txt": ("pyproject.toml", "--extra=client", "--extra=notebook", "--extra=samples"),
    "dev.txt": (
        "pyproject.toml",
        *("--extra=operator", "--extra=trainer", "--extra=client", "--extra=notebook"),
        *("--extra=console", "--extra=samples", "--extra=dev"),
    ),
}
"""Each lock file and what it is resolved from. dev.txt is last: the images' versions constrain it."""


def main(arguments: Sequence[str]) -> int:
    """Run the verb; returns the exit status."""
    actions = {(): make_venv, ("demo",): make_demo_venv, ("lock",): make_locks}
    action = actions.get(tuple(arguments))
    if action is None:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        action()
    except ClusterError as error:
        print(f"\nFAILED: {error}\n  logs:       {LOG}\n  what to do: {ADVICE}", file=sys.stderr)
        return error.exit_status
    return 0


def make_venv() -> None:
    """Bring .venv to the locked state unless it is there already."""
    wanted = _state(LOCK)
    if _made() == wanted:
        return
    uv = pinned_uv()
    with step("installing the locked Python packages into .venv"):
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, VENV])
        # Compiled by whoever imports it first, it would warn there, and tests fail at warnings.
        _run([uv, "pip", "sync", "--require-hashes", "--compile-bytecode", "--python", PYTHON, LOCK])
        _install_ourselves(uv)
    STAMP.write_text(wanted)


def make_demo_venv() -> None:
    """Make .venv hold what the demo and the command line need; `make_venv` adds the rest."""
    wanted = _state(DEMO_LOCK)
    if _made() in (wanted, _state(LOCK)):
        return
    uv = pinned_uv()
    with step("installing the command line and what writes sample data into .venv"):
        _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, VENV])
        locks = [f"--requirement={lock}" for lock in (REQUIREMENTS / "build.txt", DEMO_LOCK)]
        _run([uv, "pip", "install", "--require-hashes", "--python", PYTHON, *locks])
        _install_ourselves(uv)
    STAMP.write_text(wanted)


def _state(lock: Path) -> str:
    contents = (lock.read_bytes(), (TREE / "pyproject.toml").read_bytes())
    return digest(*contents, sys.version.encode())


def _made() -> str:
    return STAMP.read_text() if STAMP.exists() else ""


def _install_ourselves(uv: str) -> None:
    ourselves = ("--no-deps", "--no-build-isolation", f"--editable={TREE}")
    _run([uv, "pip", "install", "--python", PYTHON, *ourselves])


def make_locks() -> None:
    """Resolve every lock file anew, for all Pythons and platforms that the project supports."""
    uv = pinned_uv()
    for name in LOCKS:
        with step(f"resolving requirements/{name}"):
            _run(lock_command(uv, name))


def lock_command(uv: str, name: str) -> list[str]:
    """The resolution of one lock file: hashes, no address of any index."""
    images = ("operator.txt", "trainer.txt") if name == "dev.txt" else ()
    return [
        *(uv, "pip", "compile", "--quiet", "--upgrade", "--universal", "--python-version=3.11"),
        *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-annotate"),
        *("--custom-compile-command=make lock", f"--output-file=requirements/{name}"),
        *(f"--constraint=requirements/{image}" for image in images),
        *LOCKS[name],
    ]


def pinned_uv() -> str:
    """The pinned uv, installed into the cache by pip."""
    lock = REQUIREMENTS / "uv.txt"
    folder = cache_root() / "uv" / digest(lock.read_bytes())[:16]
    uv = folder / "bin" / "uv"
    if not uv.exists():
        ensure_pip()
        with step("installing uv"):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, "--require-hashes", "--no-deps", "--target", folder, "--requirement", lock])
    return str(uv)


def _run(command: Sequence[str | Path]) -> None:
    environment = {**os.environ, "UV_CACHE_DIR": str(cache_root() / "python"), "UV_NO_PROGRESS": "1"}
    run_logged(command, LOG, env=environment, cwd=TREE)


def digest(*parts: bytes) -> str:
    """Of several contents, each apart."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

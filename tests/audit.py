"""`make audit`: what others know against the parts that we ship, and a list of these parts.

    python -m tests.audit             everything
    python -m tests.audit CHECK...    packages, manifests, sbom

packages    known vulnerabilities of the locked Python packages (pip-audit)
manifests   the chart's objects and the Dockerfiles against good practice (checkov); what is left out says why
            Whether Kubernetes takes them is for the chart's tests (kubeconform)
sbom        build/sbom/*.cdx.json: the packages of each image (CycloneDX)

The tools live in a virtual environment of their own, locked as all others. It exits with 1 where a check
finds something, and with 69 where it only lacks what it asks: pip-audit its database.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import venv
from tests.cluster import ClusterError
from tests.cluster.api import TREE
from tests.cluster.cache import cache_root
from tests.cluster.shell import run, step
from tests.helpers.helm import render
from tests.integration.chart.matrix import MATRIX

LOCK = TREE / "requirements" / "audit.txt"
IMAGES = ("operator", "trainer", "console")
BUILD = TREE / "build"
FOUND, UNAVAILABLE = 1, 69
LEFT_OUT: Mapping[str, str] = {
    "CKV_K8S_43": "a digest is for the installer to give: image.digest",
    "CKV_K8S_15": "IfNotPresent: the image of a version never changes",
    "CKV_K8S_11": "no CPU limit: it would throttle an operator that has work to do, and protects nobody",
    "CKV_K8S_38": "operator, console and `helm test` talk to the API server by their tokens",
    "CKV_K8S_35": "the console's database is named by the environment, as a trainer's is",
    "CKV_K8S_40": "user 1000 of the images, who owns nothing on a node",
    "CKV_K8S_8": "the pod of `helm test` ends by itself; the operator has its probe",
    "CKV_K8S_9": "nobody sends requests to the operator: a Service for its metrics is all",
    "CKV_DOCKER_2": "Kubernetes probes; it reads no HEALTHCHECK",
    "CKV_DOCKER_7": "FROM takes a base image that is named by its content",
}
"""Checks of checkov that do not apply, and why."""


def main(arguments: Sequence[str]) -> int:
    """Run the named checks, or all; the worst exit status."""
    unknown = set(arguments) - CHECKS.keys()
    if unknown or "--help" in arguments:
        print(__doc__)
        return 2 if unknown - {"--help"} else 0
    try:
        tools = _tools()
        results = {CHECKS[name](tools) for name in arguments or CHECKS}
    except ClusterError as error:
        print(error, file=sys.stderr)
        return FOUND
    return worst(results)


def packages(tools: Path) -> int:
    """Known vulnerabilities of what the images hold."""
    results = {0}
    for image in IMAGES:
        lock = TREE / "requirements" / f"{image}.txt"
        done = _tell(
            tools / "pip-audit", "--require-hashes", "--disable-pip", "--format=json", "--requirement", lock
        )
        status, words = judged(json.loads(done.stdout)) if done.stdout else (UNAVAILABLE, done.stderr.strip())
        print(f"  {image}: {words}")
        results.add(status)
    return worst(results)


def judged(report: Mapping[str, Any]) -> tuple[int, str]:
    """Exit status and words for pip-audit's report. It calls a package harmless that it could not ask for."""
    asked = report["dependencies"]
    known = [
        f"{one['name']} {one['version']}: {flaw['id']}" for one in asked for flaw in one.get("vulns", ())
    ]
    if known:
        return FOUND, "; ".join(known)
    if unknown := [one for one in asked if "skip_reason" in one]:
        return UNAVAILABLE, f"{len(unknown)} of {len(asked)} unknown: {unknown[0]['skip_reason']}"
    return 0, f"nothing known against {len(asked)} packages"


def worst(results: Iterable[int]) -> int:
    """What the whole exits with: a finding counts more than a database that is out of reach."""
    return next((status for status in (FOUND, UNAVAILABLE) if status in set(results)), 0)


def manifests(tools: Path) -> int:
    """The chart under each set of values, and the Dockerfiles."""
    folder = BUILD / "audit"
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in MATRIX.items():
        (folder / f"{name}.yaml").write_text(render("crds.create=false", *settings))
    files = [*(f"--file={folder / name}.yaml" for name in MATRIX), *map("--file={}".format, _dockerfiles())]
    skipped = ",".join(LEFT_OUT)
    done = _tell(
        tools / "checkov", *files, "--framework", "kubernetes", "dockerfile",
        "--skip-check", skipped, "--quiet", "--compact", "--skip-download",
    )  # fmt: skip
    print((done.stdout or done.stderr) if done.returncode else "  checkov finds nothing")
    return FOUND if done.returncode else 0


def sbom(tools: Path) -> int:
    """The packages of each image, with licences left to who reads them."""
    folder = BUILD / "sbom"
    folder.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        out = folder / f"{image}.cdx.json"
        lock = TREE / "requirements" / f"{image}.txt"
        run([str(tools / "cyclonedx-py"), "requirements", str(lock), "-o", str(out)])
        print(f"  {out.relative_to(TREE)}")
    return 0


CHECKS: Mapping[str, Callable[[Path], int]] = {"packages": packages, "manifests": manifests, "sbom": sbom}


def _dockerfiles() -> list[Path]:
    return sorted(TREE.glob("Dockerfile.*"))


def _tools() -> Path:
    """The folder of the programs, installed where the cache lacks them."""
    folder = cache_root() / "audit" / venv.digest(LOCK.read_bytes(), sys.version.encode())[:16]
    programs = folder / "bin"
    if not (folder / "complete").exists():
        uv = venv.pinned_uv()
        with step("installing pip-audit, checkov and cyclonedx-py"):
            run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)])
            python = str(programs / "python")
            run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(LOCK)])
        (folder / "complete").touch()
    return programs


def _tell(program: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    with step(program.name):
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

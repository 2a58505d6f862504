"""Builds the project's images where they are tested: by docker where its engine answers, else by buildah.

    python3 -m tests.cluster.images build trainer operator      # prints the local references
    python3 -m tests.cluster.images load trainer operator       # and gives them to the running cluster
    python3 -m tests.cluster.images sizes

A tag is a hash of all that goes into the image: one that exists is up to date and is not built again. Where
no Docker engine is, the base image is made of the machine's own distribution, so that its package mirror is
all that a build needs. System Python runs this before any virtual environment exists: standard library only.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.cluster.api import DOT_CLUSTER, TREE, ClusterError
from tests.cluster.cache import cache_root
from tests.cluster.debian import ensure_packages
from tests.cluster.providers import current
from tests.cluster.shell import run, run_logged, step, succeeds

INPUTS: Mapping[str, Sequence[str]] = {
    "trainer": ("requirements/trainer.txt", "requirements/uv.txt", "trainer_image/src"),
    "operator": ("requirements/operator.txt", "operator/src"),
    "console": ("requirements/console.txt", "operator/src", "client/src", "console/src"),
}
"""The images, and what each Dockerfile copies beyond COMMON_INPUTS."""
COMMON_INPUTS = (".dockerignore", "pyproject.toml", "requirements/build.txt", "crds/src")
BUILD_LOGS = DOT_CLUSTER / "images"
"""Of each image the log of its last build."""
KEPT = 3
"""Tags of each image that stay after a build: those of other checkouts and branches are among them."""
BASE = "base"
DOCKER_BASE = "python:3.11-slim-bookworm"
BASE_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
DISTRIBUTIONS = ("Debian", "Ubuntu")
UNUSED_IN_BASE = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")


def build(name: str) -> str:
    """The local reference of an image (`base` or one of INPUTS), which is built unless it exists.

    Raises:
        ClusterError: no such image, or its build failed; the message names the log.
    """
    engine = _engine()
    if name == BASE:
        return _base(engine)
    if name not in INPUTS:
        raise ClusterError(f"no image {name!r}; there are {BASE}, {', '.join(INPUTS)}")
    base = _base(engine)
    repository, tag = f"localhost/trainingrun-{name}", image_key(TREE, name, base)
    reference = f"{repository}:{tag}"
    if not succeeds([engine, "inspect", "--type=image", reference]):
        with step(f"building the {name} image"):
            run_logged(build_command(engine, name, reference, base), BUILD_LOGS / f"{name}.log", cwd=TREE)
        _prune(engine, repository, tag)
    return reference


def sizes() -> dict[str, int]:
    """Bytes of each image's files, before any compression; `base` is part of all others."""
    engine = _engine()
    return {name: _size(engine, build(name)) for name in (BASE, *INPUTS)}


def image_key(tree: Path, name: str, base: str) -> str:
    """A hash of everything that goes into an image: 16 hex digits."""
    digest = hashlib.sha256(base.encode())
    for path in _files(tree, (f"Dockerfile.{name}", *COMMON_INPUTS, *INPUTS[name])):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(tree).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def build_command(engine: str, name: str, reference: str, base: str) -> list[str]:
    """The one build of an image."""
    options = [f"--file=Dockerfile.{name}", f"--build-arg=BASE_IMAGE={base}", f"--tag={reference}", "."]
    if engine == "docker":
        return ["docker", "build", *options]
    # chroot and the host's network work without the privileges that runc and a network namespace need; the
    # machine's certificates come along because its registries may stand behind an authority of its own.
    certificates = "--volume=/etc/ssl/certs:/etc/ssl/certs:ro"
    return ["buildah", "bud", "--layers", "--isolation=chroot", "--network=host", certificates, *options]


def superseded(tags: Sequence[str], current: str) -> list[str]:
    """Those of an image's tags, given from the newest to the oldest, that need not stay.

    >>> superseded(["d", "c", "b", "a"], current="d")
    ['a']
    """
    return [tag for tag in tags if tag != current][KEPT - 1 :]


def apt_sources(index_targets: Iterable[str]) -> list[str]:
    """The distribution's own lines of sources.list, from `ORIGIN URI SUITE COMPONENT` lines.

    Other origins are left out: their keys and packages are this machine's business.

    >>> apt_sources(["Debian http://mirror.example/debian/ bookworm main", "Vendor http://v.example/ x main"])
    ['deb http://mirror.example/debian/ bookworm main']
    """
    targets = [line.split() for line in index_targets]
    return [f"deb {' '.join(rest)}" for origin, *rest in targets if origin in DISTRIBUTIONS]


def _files(tree: Path, inputs: Iterable[str]) -> list[Path]:
    paths = [tree / name for name in inputs]
    found = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sorted(
        path
        for path in found
        if path.is_file()
        and not any(part == "__pycache__" or part.endswith(".egg-info") for part in path.parts)
    )


def _prune(engine: str, repository: str, current: str) -> None:
    """Drop the oldest tags of an image: each holds gigabytes of its own once the locked packages change."""
    tags = run([engine, "images", f"--filter=reference={repository}", "--format={{.Tag}}"]).split()
    for tag in superseded(tags, current):
        succeeds([engine, "rmi", f"{repository}:{tag}"])  # it fails where a container still uses it


def _engine() -> str:
    return "docker" if succeeds(["docker", "info"]) else "buildah"


def _base(engine: str) -> str:
    if engine == "docker":
        if not succeeds(["docker", "image", "inspect", DOCKER_BASE]):
            with step(f"pulling {DOCKER_BASE}"):
                run(["docker", "pull", "--quiet", DOCKER_BASE])
        return DOCKER_BASE
    ensure_packages()
    codename = _codename(Path("/etc/os-release").read_text())
    recipe = " ".join([codename, *BASE_PACKAGES, *UNUSED_IN_BASE])
    reference = f"localhost/trainingrun-base:{codename}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if not succeeds(["buildah", "inspect", "--type=image", reference]):
        _import(_root_filesystem(codename, reference.partition(":")[2]), reference)
    return reference


def _root_filesystem(codename: str, key: str) -> Path:
    """A minimal root filesystem of the machine's own distribution, from its own package sources."""
    archive = cache_root() / "base" / f"{key}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_suffix(".partial.tar")
    fields = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)"
    targets = run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]).splitlines()
    bootstrap = ["mmdebstrap", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}"]
    exclude = [f"--dpkgopt=path-exclude={pattern}" for pattern in UNUSED_IN_BASE]
    with step(f"making a base image of {codename}"):
        run([*bootstrap, *exclude, codename, partial, "-"], input="\n".join(apt_sources(targets)) + "\n")
    partial.rename(archive)
    return archive


def _import(archive: Path, reference: str) -> None:
    with step("importing the base image"):
        container = run(["buildah", "from", "scratch"]).strip()
        try:
            run(["buildah", "add", container, archive, "/"])
            run(["buildah", "config", "--cmd=python3", container])
            run(["buildah", "commit", container, reference])
        finally:
            run(["buildah", "rm", container])


def _codename(os_release: str) -> str:
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    if codename := fields.get("VERSION_CODENAME", "").strip('"'):
        return codename
    raise ClusterError("/etc/os-release has no VERSION_CODENAME: use Debian, Ubuntu or a Docker engine")


def _size(engine: str, reference: str) -> int:
    if engine == "docker":
        return int(run(["docker", "image", "inspect", "--format={{.Size}}", reference]))
    manifest = json.loads(json.loads(run(["buildah", "inspect", "--type=image", reference]))["Manifest"])
    return sum(layer["size"] for layer in manifest["layers"])


def main(arguments: Sequence[str]) -> int:
    """Run one verb; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.cluster.images", description="The images of the project."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    build_verb = verbs.add_parser(
        "build", help="build those that are out of date; print the local references"
    )
    load_verb = verbs.add_parser("load", help="give them to the test cluster; print what pods call them")
    for verb in (build_verb, load_verb):
        verb.add_argument("name", nargs="+", choices=[BASE, *INPUTS])
    verbs.add_parser("sizes", help="size of each image, before compression")
    options = parser.parse_args(arguments)
    try:
        match options.verb:
            case "build":
                for name in options.name:
                    print(build(name))
            case "load":
                cluster = current()
                for name in options.name:
                    print(cluster.load_image(build(name)))
            case _:
                for name, size in sizes().items():
                    print(f"{name:<10} {size / 1e6:8.0f} MB")
    except ClusterError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

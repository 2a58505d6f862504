"""Images: from this machine's store into the local registry, and from there onto both nodes."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError

from tests.cluster.bare.layout import NODES, REGISTRY
from tests.cluster.bare.nodes import ctr
from tests.cluster.shell import run, succeeds

FAST_COMPRESSION = ["--compression-format=zstd", "--compression-level=1"]


def registry_reference(ref: str) -> str:
    """What pods call a local image: the same name and tag, in the local registry.

    >>> registry_reference("localhost/trainer:1f2e")
    '10.99.0.1:5000/trainer:1f2e'
    """
    host, slash, path = ref.partition("/")
    has_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return f"{REGISTRY}/{path if has_host else ref}"


def answers(url: str) -> bool:
    """Whether an HTTP endpoint of the cluster answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (URLError, TimeoutError, ConnectionError):
        return False


def load_image(ref: str) -> str:
    """Push a local image and pull it on every node; returns the reference that pods must use."""
    remote = registry_reference(ref)
    run(["buildah", "push", "--tls-verify=false", *FAST_COMPRESSION, ref, f"docker://{remote}"])
    pull = [ctr(node, "images", "pull", "--plain-http", remote) for node in NODES]
    with ThreadPoolExecutor(len(pull)) as pool:
        list(pool.map(run, pull))
    for node in NODES:
        if old := superseded(run(ctr(node, "images", "list")), remote):
            succeeds(ctr(node, "images", "rm", *old))  # it fails where another command was first
    return remote


def superseded(listing: str, remote: str) -> list[str]:
    """The references by which a node still holds other images of the same name, from `ctr images list`.

    Tags, digests and the image's id: the last reference takes the files with it. A pod that needs one of them
    nevertheless pulls it again from the registry, where all of them stay.
    """
    rows = (line.split() for line in listing.splitlines()[1:])
    digests = {reference: digest for reference, _, digest, *_ in rows}
    repository = remote.rpartition(":")[0]
    same_name = {ref for ref in digests if ref.startswith((f"{repository}:", f"{repository}@"))}
    old = {digests[ref] for ref in same_name} - {digests[remote]}
    return [ref for ref in digests if digests[ref] in old and (ref in same_name or ref.startswith("sha256:"))]


def ensure_pause_image(remote: str, binary: Path) -> None:
    """Put the sandbox image, one static binary, into the registry unless it is there."""
    name, _, tag = remote.removeprefix(f"{REGISTRY}/").partition(":")
    if tag in _tags(name):
        return
    container = run(["buildah", "from", "scratch"]).strip()
    try:
        run(["buildah", "copy", "--chmod=0755", container, binary, "/pause"])
        run(["buildah", "config", '--entrypoint=["/pause"]', container])
        run(["buildah", "commit", container, f"localhost/{name}:{tag}"])
    finally:
        run(["buildah", "rm", container])
    run(["buildah", "push", "--tls-verify=false", f"localhost/{name}:{tag}", f"docker://{remote}"])


def _tags(name: str) -> list[str]:
    """The tags of an image in the local registry."""
    try:
        with urllib.request.urlopen(f"http://{REGISTRY}/v2/{name}/tags/list", timeout=5) as response:
            return json.load(response)["tags"] or []
    except HTTPError:  # 404: no such image yet
        return []

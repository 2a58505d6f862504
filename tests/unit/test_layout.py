"""What must hold for the checkout as a whole, and no other check would notice."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.cluster.api import TREE
from tests.venv import LOCKS, lock_command

PROJECT = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def locked(lock: str) -> dict[str, set[str]]:
    """The names in a lock file, each with its versions: more than one where they differ by Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^(\S+)==(\S+)", (TREE / "requirements" / lock).read_text(), re.MULTILINE
    ):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


def test_the_operator_folder_is_no_package() -> None:
    assert not (TREE / "operator" / "__init__.py").exists(), "it would shadow the standard library's operator"


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_host_and_pin_every_package_by_hash(lock: str) -> None:
    text = (TREE / "requirements" / lock).read_text()
    assert not re.findall(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host", text)
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text) if "==" in entry)
    assert locked(lock)


@pytest.mark.parametrize(("lock", "extras"), [("operator.txt", ["operator"]), ("trainer.txt", ["trainer"])])
def test_locks_satisfy_what_the_project_declares(lock: str, extras: list[str]) -> None:
    versions = locked(lock)
    for text in PROJECT["dependencies"] + [text for extra in extras for text in EXTRAS[extra]]:
        wanted = Requirement(text)
        found = versions[canonicalize_name(wanted.name)]
        assert all(wanted.specifier.contains(version) for version in found), (
            f"{text} against {found}: `make lock`"
        )


def test_tests_run_with_the_versions_of_the_images() -> None:
    tested = locked("dev.txt")
    for lock in ("operator.txt", "trainer.txt"):
        assert {name: tested[name] for name in locked(lock)} == locked(lock)


@pytest.mark.parametrize("name", ["torch", "torchvision", "pytorch-lightning", "pandas", "numpy"])
def test_the_operator_carries_nothing_of_the_trainer(name: str) -> None:
    assert name not in locked("operator.txt")


@pytest.mark.parametrize("name", ["kopf", "kubernetes", "albumentations", "ultralytics", "lightning"])
def test_the_trainer_carries_neither_the_operator_nor_what_its_licence_forbids(name: str) -> None:
    assert name not in locked("trainer.txt")


@pytest.mark.parametrize("name", ["torch", "pytorch-lightning", "torchmetrics", "kopf", "monai", "lightning"])
def test_the_client_carries_neither_the_trainer_nor_the_operator(name: str) -> None:
    assert name not in locked("client.txt") | locked("console.txt") | locked("demo.txt")


def test_locking_resolves_for_every_python_and_asks_for_hashes() -> None:
    command = lock_command("uv", "dev.txt")
    assert {"--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url"} <= set(
        command
    )
    extras = ("operator", "trainer", "client", "notebook", "console", "samples", "dev")
    assert command[-8:] == ["pyproject.toml", *(f"--extra={name}" for name in extras)]


def test_no_file_in_git_names_a_registry_host() -> None:
    host = r"https?://[a-z0-9.-]*(pypi|pythonhosted|npmjs|proxy\.golang|sum\.golang|deb\.debian)"
    command = ["git", "grep", "-lIE", host, "--", ":!*/go.sum", f":!{Path(__file__).relative_to(TREE)}"]
    found = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "")

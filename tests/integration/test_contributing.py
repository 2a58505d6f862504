"""The example changes of CONTRIBUTING.md apply to this tree, pass its linter, and pass their own tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.api import TREE

PATCHES = re.findall(
    r"^### (.+?)$.*?^```diff\n(.*?)^```$",
    (TREE / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)
SOURCES = ("charts", "client", "crds", "operator", "trainer_image")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tree as it is, with what git does not know yet and without what it ignores."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=TREE, capture_output=True, text=True, check=True).stdout.split(
        "\0"
    ):
        if name and (TREE / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(TREE / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(("what", "patch"), PATCHES, ids=[what for what, _ in PATCHES])
def test_an_example_change_applies_and_passes_its_tests(copy: Path, what: str, patch: str) -> None:
    def run(*command: str, given: str | None = None) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(copy / source / "src") for source in SOURCES),
        }
        done = subprocess.run(
            command, cwd=copy, env=environment, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{what}: {done.stdout}{done.stderr}"

    changed = re.findall(r"^\+\+\+ b/(.+)$", patch, re.MULTILINE)
    tests = [name for name in changed if name.startswith("tests/")]
    assert tests
    run("git", "apply", "--unsafe-paths", "--directory", str(copy), "-", given=patch)
    run(sys.executable, "-m", "ruff", "check", "--no-cache", *changed)
    run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *changed)
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


def test_there_is_one_of_each_kind() -> None:
    assert [what for what, _ in PATCHES] == ["A metric", "A policy", "A task"]

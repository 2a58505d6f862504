"""Image tags follow the content, and the commands fit the engine."""

import re
from pathlib import Path

import pytest

from tests.cluster.api import TREE, ClusterError
from tests.cluster.images import (
    COMMON_INPUTS,
    INPUTS,
    KEPT,
    apt_sources,
    build,
    build_command,
    image_key,
    superseded,
)

BASE = "localhost/trainingrun-base:1"
ALL = {"console", "operator", "trainer"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in INPUTS:
        (tmp_path / f"requirements/{name}.txt").write_text("")
        (tmp_path / f"Dockerfile.{name}").write_text("")
    for name in ("requirements/build.txt", ".dockerignore", "pyproject.toml"):
        (tmp_path / name).write_text("")
    for part in ("client", "console", "crds", "operator", "trainer_image"):
        folder = tmp_path / part / "src" / "package"
        folder.mkdir(parents=True)
        (folder / "module.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("crds/src/package/module.py", ALL),
        ("crds/src/package/new/module.py", ALL),
        ("pyproject.toml", ALL),
        ("requirements/build.txt", ALL),
        ("operator/src/package/module.py", {"operator", "console"}),
        ("requirements/operator.txt", {"operator"}),
        ("Dockerfile.operator", {"operator"}),
        ("trainer_image/src/package/module.py", {"trainer"}),
        ("requirements/trainer.txt", {"trainer"}),
        ("Dockerfile.trainer", {"trainer"}),
        ("client/src/package/module.py", {"console"}),
        ("console/src/package/module.py", {"console"}),
        ("requirements/console.txt", {"console"}),
        ("Dockerfile.console", {"console"}),
        ("README.md", set()),
        ("operator/src/package/__pycache__/module.pyc", set()),
        ("operator/src/trainingrun.egg-info/PKG-INFO", set()),
    ],
)
def test_a_change_gives_new_tags_to_the_images_that_hold_it(
    tree: Path, changed: str, rebuilt: set[str]
) -> None:
    before = {name: image_key(tree, name, BASE) for name in INPUTS}
    (tree / changed).parent.mkdir(parents=True, exist_ok=True)
    (tree / changed).write_text("changed")
    after = {name: image_key(tree, name, BASE) for name in INPUTS}
    assert {name for name in INPUTS if before[name] != after[name]} == rebuilt


def test_a_new_base_gives_new_tags(tree: Path) -> None:
    assert image_key(tree, "operator", BASE) != image_key(tree, "operator", "localhost/trainingrun-base:2")


@pytest.mark.parametrize("name", INPUTS)
def test_tags_cover_all_that_the_dockerfile_copies(name: str) -> None:
    copies = re.findall(r"^COPY (?!--from)(\S+) ", (TREE / f"Dockerfile.{name}").read_text(), re.MULTILINE)
    assert copies
    assert set(copies) <= {*COMMON_INPUTS, *INPUTS[name]}


@pytest.mark.parametrize("name", INPUTS)
def test_the_projects_own_code_is_the_last_layer(name: str) -> None:
    last = (TREE / f"Dockerfile.{name}").read_text().splitlines()[-1]
    assert last == "COPY --from=code /opt/trainingrun /opt/trainingrun"


@pytest.mark.parametrize(
    ("engine", "start"),
    [("docker", ["docker", "build"]), ("buildah", ["buildah", "bud", "--layers", "--isolation=chroot"])],
)
def test_both_engines_build_the_same_file_on_the_same_base(engine: str, start: list[str]) -> None:
    command = build_command(engine, "operator", "localhost/o:1", BASE)
    assert command[: len(start)] == start
    assert command[-4:] == [
        "--file=Dockerfile.operator", f"--build-arg=BASE_IMAGE={BASE}", "--tag=localhost/o:1", ".",
    ]  # fmt: skip


def test_the_base_image_takes_packages_of_the_distribution_only() -> None:
    targets = [
        "Debian http://mirror.example/debian/ bookworm main",
        "Vendor http://vendor.example/apt/ stable main",
        "Ubuntu http://mirror.example/ubuntu/ noble universe",
    ]
    assert apt_sources(targets) == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/ubuntu/ noble universe",
    ]


def test_an_unknown_image_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ClusterError, match="no image 'operators'; there are base, trainer, operator, con"):
        build("operators")


@pytest.mark.parametrize(
    ("tags", "current", "expected"),
    [
        ([], "e", []),
        (["e", "d", "c"], "e", []),
        (["e", "d", "c", "b", "a"], "e", ["b", "a"]),
        (["e", "d", "c", "b", "a"], "a", ["c", "b"]),
    ],
)
def test_a_build_keeps_its_own_tag_and_the_newest(tags: list[str], current: str, expected: list[str]) -> None:
    assert superseded(tags, current) == expected
    assert len(tags) - len(expected) <= KEPT

"""The pure parts of building and caching the cluster's binaries."""

from pathlib import Path

import pytest

from tests.cluster.api import ClusterError, UnsupportedMachineError
from tests.cluster.cache import cache_root, content_key
from tests.cluster.debian import PROGRAMS, missing_packages, obstacle, unpacked
from tests.cluster.toolchain import (
    KUBERNETES_VERSION,
    PACKAGES,
    TOOLS,
    Toolchain,
    build_command,
    build_environment,
    go_version,
)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TRAININGRUN_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/trainingrun")),
        ({"TRAININGRUN_CACHE": "", "XDG_CACHE_HOME": ""}, Path.home() / ".cache" / "trainingrun"),
        ({}, Path.home() / ".cache" / "trainingrun"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment: dict[str, str], expected: Path) -> None:
    assert cache_root(environment) == expected


def _folder(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "extra", "same"),
    [
        ({"a": "1", "b/c": "2"}, ["x"], True),
        ({"a": "1", "b/c": "3"}, ["x"], False),
        ({"a": "1", "b/d": "2"}, ["x"], False),
        ({"a": "12", "b/c": ""}, ["x"], False),
        ({"a": "1", "b/c": "2", "e": ""}, ["x"], False),
        ({"a": "1", "b/c": "2"}, ["y"], False),
    ],
)
def test_the_key_follows_names_contents_and_words(
    tmp_path: Path, files: dict[str, str], extra: list[str], same: bool
) -> None:
    reference = content_key(_folder(tmp_path / "one", {"a": "1", "b/c": "2"}), ["x"])
    assert (content_key(_folder(tmp_path / "two", files), extra) == reference) is same


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
        ("go version devel +abc linux/amd64", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_the_go_version_is_read(banner: str, expected: tuple[int, int]) -> None:
    assert go_version(banner) == expected


def test_every_tool_is_pinned_in_the_module_or_lies_beside_it() -> None:
    tools = {line.strip() for line in (TOOLS / "go.mod").read_text().splitlines()}
    for package in PACKAGES.values():
        if package.startswith("./"):
            assert (TOOLS / package / "main.go").is_file()
        else:
            assert package in tools


def test_the_stamped_version_is_the_pinned_one() -> None:
    assert f"k8s.io/kubernetes v{KUBERNETES_VERSION}" in (TOOLS / "go.mod").read_text()
    command = build_command("go", ["kubectl", "pause"], "/out")
    assert any(f"gitVersion=v{KUBERNETES_VERSION}" in argument for argument in command)
    assert command[-4:] == ["-o", "/out/", "k8s.io/kubernetes/cmd/kubectl", "./pause"]


@pytest.mark.parametrize(
    ("name", "message"), [("kubectl", "not built yet"), ("kubectx", "no tool named 'kubectx'")]
)
def test_a_missing_binary_says_what_to_do(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        Toolchain("key", tmp_path).binary(name)


def test_what_is_in_the_cache_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kubectl").touch()
    monkeypatch.setenv("PATH", "")  # a build would need a compiler
    Toolchain("key", tmp_path).build(["kubectl"])


@pytest.mark.parametrize("absent", [[], ["nftables"], list(PROGRAMS)])
def test_only_missing_packages_are_installed(absent: list[str]) -> None:
    programs = {PROGRAMS[package] for package in absent}
    assert missing_packages(lambda program: None if program in programs else program) == absent


@pytest.mark.parametrize(
    ("root", "apt", "missing", "words"),
    [
        (True, True, [], []),
        (True, True, ["runc"], []),
        (True, False, [], []),
        (True, False, ["runc", "socat"], ["runc, socat", "no apt-get", "Docker engine"]),
        (False, True, [], ["root", "Docker engine"]),
    ],
)
def test_a_machine_that_cannot_run_a_cluster_is_told_what_it_lacks(
    root: bool, apt: bool, missing: list[str], words: list[str]
) -> None:
    told = obstacle(root=root, apt=apt, missing=missing)
    assert bool(told) is bool(words)
    assert all(word in told for word in words)


def test_a_package_is_fetched_once_and_only_where_there_is_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAININGRUN_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    (tmp_path / "debian" / "here").mkdir(parents=True)
    assert unpacked("here") == tmp_path / "debian" / "here"
    with pytest.raises(UnsupportedMachineError, match="no absent on this machine"):
        unpacked("absent")


def test_a_build_stays_free_of_c_and_lets_the_user_choose_the_rest() -> None:
    usual = build_environment({"PATH": "/bin", "CGO_ENABLED": "1"}, 1024)
    assert usual == {"PATH": "/bin", "CGO_ENABLED": "0", "GOGC": "off", "GOMEMLIMIT": "1024"}
    assert build_environment({"GOGC": "50"}, 1024)["GOGC"] == "50"

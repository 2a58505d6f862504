"""The command line of the test cluster: each verb reaches its method, and errors reach the user."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster import __main__ as cli
from tests.cluster import images
from tests.cluster.api import Cluster, ClusterError, Status, UnsupportedMachineError
from tests.cluster.base import node_state
from tests.cluster.providers import PROVIDERS, current


class Recorder:
    """Stands in for a cluster: records the calls."""

    provider = "recorder"
    kubeconfig = Path("kubeconfig")
    logs = Path("/logs")

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, arguments))

    def status(self) -> Status:
        return Status(self.provider, {"apiserver": "not running"})


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(cli, "current", lambda provider: recorder)
    return recorder


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("up", ("up", ())),
        ("up --provider kind", ("up", ())),
        ("down", ("down", ())),
        ("load-image localhost/a:1", ("load_image", ("localhost/a:1",))),
        ("put d --namespace n --claim c", ("put_folder", (Path("d"), "n", "c", "1Gi"))),
        ("put d --namespace n --claim c --size 2Gi", ("put_folder", (Path("d"), "n", "c", "2Gi"))),
        ("kill-node n2", ("kill_node", ("n2",))),
        ("revive-node n2", ("revive_node", ("n2",))),
        ("kill-apiserver", ("kill_apiserver", ())),
        ("revive-apiserver", ("revive_apiserver", ())),
        ("kill-etcd", ("kill_etcd", ())),
        ("revive-etcd", ("revive_etcd", ())),
        ("kill-container n p", ("kill_container", ("n", "p"))),
    ],
)
def test_a_verb_calls_its_method(recorder: Recorder, line: str, call: tuple[str, tuple[Any, ...]]) -> None:
    assert cli.main(line.split()) == 0
    assert recorder.calls == [call]
    assert hasattr(Cluster, call[0])


def test_an_ill_cluster_is_an_error_of_status(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status"]) == 1
    assert "apiserver" in capsys.readouterr().out


def test_logs_prints_only_the_folder(recorder: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["logs"]) == 0
    assert capsys.readouterr().out == "/logs\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ClusterError("etcd ended right after its start"), 1),
        (UnsupportedMachineError("be root"), 69),
    ],
)
def test_a_failure_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: ClusterError,
    status: int,
) -> None:
    def fail(name: str) -> Any:
        raise error

    monkeypatch.setattr(cli, "current", fail)
    monkeypatch.setattr(images, "build", fail)
    assert cli.main(["up"]) == status
    assert images.main(["build", "trainer"]) == status
    assert capsys.readouterr().err == f"FAILED: {error}\n" * 2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_can_be_asked_for(provider: str) -> None:
    assert current(provider).provider == provider


def test_an_unknown_provider_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="no provider 'minikube'; there are auto, bare, kind"):
        current("minikube")


@pytest.mark.parametrize(
    ("components", "healthy"),
    [({"a": "ok", "b": "ok"}, True), ({"a": "ok", "b": "not running"}, False), ({}, False)],
)
def test_healthy_means_that_every_part_is(components: dict[str, str], healthy: bool) -> None:
    assert Status("bare", components).healthy is healthy


@pytest.mark.parametrize(
    ("obstacle", "words"), [("", "`python3 -m tests.cluster up` starts one"), ("be root", ": be root")]
)
def test_no_cluster_is_told_with_what_to_do(obstacle: str, words: str) -> None:
    assert str(Status("bare", {}, obstacle)).endswith(words)


READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"conditions": READY, "allocatable": {"nvidia.com/gpu": "2"}}, "ok"),
        ({"conditions": READY, "allocatable": {"nvidia.com/gpu": "1"}}, "offers 1 nvidia.com/gpu"),
        ({"conditions": READY}, "offers no nvidia.com/gpu"),
        ({"conditions": [{"type": "Ready", "status": "Unknown"}]}, "not Ready"),
        ({}, "not Ready"),
        (None, "not registered"),
    ],
)
def test_a_node_is_well_when_ready_and_equipped(status: dict[str, Any] | None, expected: str) -> None:
    assert node_state(status) == expected

"""The demo as plain data: rows, reports and commands, and what a failing step leaves behind."""

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ClusterError, shell
from tests.demo import failure, install, live, local, report
from tests.demo.progress import Progress, Step, StepError

Object = dict[str, Any]
NOW = datetime(2026, 1, 1, 12, 1, 5, tzinfo=UTC)


def a_run(**status: Any) -> Object:
    return {
        "metadata": {"name": "digits", "creationTimestamp": "2026-01-01T12:00:00Z"},
        "status": status,
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (0, "0s"), (59.4, "59s"), (60, "1m0s"), (3605, "60m5s")]
)
def test_durations_read_like_kubectl_s(seconds: float, text: str) -> None:
    assert live.duration(seconds) == text


def test_a_new_run_has_a_row_before_the_operator_saw_it() -> None:
    run = a_run()
    del run["status"]
    assert live.line(live.cells(run, NOW)).split() == ["digits", "1m5s"]


def test_a_training_run_s_row() -> None:
    columns = {"epoch": "3/8", "metric": "val_accuracy=0.9", "progress": "37%", "eta": "50s"}
    run = a_run(phase="Running", nodesReady="2/2", columns=columns, message="two pods run")
    assert live.line(live.cells(run, NOW), live.why(run)).split() == [
        "digits", "Running", "3/8", "val_accuracy=0.9", "37%", "50s", "2/2", "1m5s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("phase", "shown"), [("Pending", True), ("Failed", True), ("Running", False), ("Completed", False)]
)
def test_only_a_run_that_waits_or_failed_gives_reasons(phase: str, shown: bool) -> None:
    assert live.why(a_run(phase=phase, message="no node has a free GPU")) == (
        "no node has a free GPU" if shown else ""
    )


EPOCHS = [
    a_run(phase="Running", columns={"epoch": "1/2"}),
    a_run(phase="Running", columns={"epoch": "1/2"}),
    a_run(phase="Running", columns={"epoch": "2/2"}),
    a_run(phase="Completed", columns={"epoch": "2/2"}),
]


def follow(runs: list[Object], stream: io.StringIO, pending_seconds: float = 60) -> Object:
    answers: Iterator[Object] = iter(runs)
    return live.follow(
        lambda: next(answers), live.Display(stream), pending_seconds=pending_seconds, seconds=60
    )


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 0)


@pytest.mark.usefixtures("no_pause")
def test_following_prints_a_line_for_each_change() -> None:
    stream = io.StringIO()
    assert follow(EPOCHS, stream) == EPOCHS[-1]
    assert [row.split()[1:3] for row in stream.getvalue().splitlines()] == [
        ["PHASE", "EPOCH"], ["Running", "1/2"], ["Running", "2/2"], ["Completed", "2/2"],
    ]  # fmt: skip


@pytest.mark.usefixtures("no_pause")
def test_a_terminal_keeps_one_line_for_each_epoch() -> None:
    stream = Terminal()
    follow(EPOCHS, stream)
    kept = [row.rpartition("\r\033[K")[2].split()[1:3] for row in stream.getvalue().rstrip("\n").split("\n")]
    assert kept == [["PHASE", "EPOCH"], ["Running", "1/2"], ["Completed", "2/2"]]


@pytest.mark.parametrize(
    ("progress", "shown"),
    [({}, ""), ({"percent": 0}, "[....................]"), ({"percent": 52}, "[==========..........]"),
     ({"percent": 100}, "[====================]")],
)  # fmt: skip
def test_a_bar_is_as_long_as_what_is_done(progress: Object, shown: str) -> None:
    assert live.bar(a_run(phase="Running", progress=progress)) == shown


@pytest.mark.usefixtures("no_pause")
def test_a_run_that_never_starts_is_given_up_with_its_own_reason() -> None:
    waiting = a_run(phase="Pending", message="0/2 nodes have a free GPU")
    with pytest.raises(live.StuckError, match="0/2 nodes have a free GPU"):
        follow([waiting] * 3, io.StringIO(), pending_seconds=-1)


def test_the_time_of_a_run_is_split_at_the_moment_all_pods_ran() -> None:
    run = a_run(startTime="2026-01-01T12:00:05Z", completionTime="2026-01-01T12:01:05Z")
    table = report.where_time_went({"cluster": 1.5, "training run": 66.0}, run)
    assert [row.split()[-2] for row in table.splitlines()] == ["1.5", "66.0", "5.0", "60.0", "67.5"]


def test_metrics_start_with_the_best_epoch() -> None:
    run = a_run(
        best={"name": "val_accuracy", "value": "0.97", "epoch": 6},
        metrics=[
            {"name": "val_accuracy", "value": "0.96"},
            {"name": "val_loss", "value": "0.1"},
            {"name": "val_recall_class_3", "value": "1"},
        ],
    )
    assert [row.split() for row in report.final_metrics(run).splitlines()] == [
        ["best", "val_accuracy", "=", "0.97,", "in", "epoch", "6"],
        ["val_accuracy", "0.96"],
        ["val_loss", "0.1"],
    ]


def test_helm_gets_each_image_as_repository_and_tag() -> None:
    arguments = install.upgrade_arguments(
        install.Images("10.0.0.1:5000/operator:a1", "10.0.0.1:5000/trainer:b2")
    )
    assert {argument for argument in arguments if argument.startswith("--set")} == {
        "--set-string=image.repository=10.0.0.1:5000/operator",
        "--set-string=image.tag=a1",
        "--set-string=trainerImage.repository=10.0.0.1:5000/trainer",
        "--set-string=trainerImage.tag=b2",
    }


def test_steps_run_in_order_and_keep_their_seconds() -> None:
    done: list[str] = []
    progress = Progress(io.StringIO())
    steps = [Step(what, lambda what=what: done.append(what), "") for what in ("a", "b")]  # type: ignore[misc]
    progress.carry_out(steps, (ClusterError,), lambda: Path())
    assert done == list(progress.seconds) == ["a", "b"]


def test_a_step_is_one_line_with_its_time_and_one_that_draws_has_a_heading() -> None:
    stream = io.StringIO()
    steps = [Step("boil", lambda: None, ""), Step("bake", lambda: None, "", draws=True)]
    Progress(stream).carry_out(steps, (ClusterError,), Path)
    assert stream.getvalue().splitlines() == ["[1/2] boil: 0.0 s", "[2/2] bake ...", "[2/2] bake: 0.0 s"]


def test_on_a_terminal_a_step_says_what_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def boil() -> None:
        with shell.step("heating [water]"):
            time.sleep(0.3)

    Progress(stream).carry_out([Step("boil", boil, "")], (ClusterError,), Path)
    assert "[1/1] boil: heating [water]" in stream.getvalue()
    assert "[1/1] boil: 0.3 s" in stream.getvalue().splitlines()[-1]


def test_what_to_try_next_names_the_cluster_and_the_run() -> None:
    place = report.Place(Path("/k"), (Path("/a"), Path("/b")), "demo", "system", "operator")
    said = report.next_commands(a_run(attempt=2), place)
    for words in ("KUBECONFIG=/k", "PATH=/a:/b:$PATH", "describe digits -n demo", "job/digits-2"):
        assert words in said


def test_the_local_demo_trains_the_example_on_the_data_that_it_wrote() -> None:
    words = local.command()
    assert words[:3] == ["kubectl-trainingrun", "local", "examples/digits-classification.yaml"]
    assert "digits-data=build/demo-local/data" in words


def test_a_failing_step_says_what_why_where_and_what_to_do() -> None:
    def fail() -> None:
        raise ClusterError("no space left")

    never = Step("never", lambda: pytest.fail("a step after a failed one ran"), "")
    progress = Progress(io.StringIO())
    with pytest.raises(StepError) as caught:
        progress.carry_out([Step("boil", fail, "add water"), never], (ClusterError,), lambda: Path("logs"))
    for words in ("boil", "no space left", "logs", "add water"):
        assert words in str(caught.value)


class DeadCluster:
    """A cluster that answers nothing, as after a failed start."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs

    def status(self) -> str:
        return "NOT healthy"

    def kubectl(self, *args: str) -> str:
        raise ClusterError(f"refused: {args[-1]}")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_all_logs_of_a_dead_cluster_are_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "components/etcd.log",
        "components/audit.log",
        "components/n1/kubelet.log",
        "builds/trainer.log",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(failure, "BUILD_LOGS", tmp_path / "builds")
    cluster: Any = DeadCluster(tmp_path / "components")  # only the three members that are used
    failure.collect(cluster, tmp_path / "collected")
    assert files(tmp_path / "collected") == {
        "cluster.txt",
        *failure.QUESTIONS,
        "components/etcd.log",
        "components/n1/kubelet.log",
        "image-builds/trainer.log",
    }
    for name in failure.QUESTIONS:
        assert "refused" in (tmp_path / "collected" / name).read_text()


def test_logs_that_are_not_there_are_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure, "BUILD_LOGS", tmp_path / "never built")
    cluster: Any = DeadCluster(tmp_path / "never started")
    failure.collect(cluster, tmp_path / "collected")
    for name in ("components", "image-builds"):
        assert "never" in (tmp_path / "collected" / f"{name}.txt").read_text()

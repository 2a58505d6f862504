"""The small tools of the shell, with real files."""

from pathlib import Path

import pytest

from tests.cluster.api import ClusterError
from tests.cluster.shell import run_logged, truncate_beyond


@pytest.mark.parametrize(("limit", "left"), [(4, ""), (5, "12345"), (6, "12345")])
def test_only_a_log_beyond_the_limit_is_emptied(tmp_path: Path, limit: int, left: str) -> None:
    log = tmp_path / "audit.log"
    log.write_text("12345")
    truncate_beyond(log, limit)
    assert log.read_text() == left


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["sh", "-c", "echo no space left >&2; exit 3"], ["exited 3", "no space left", "build.log"]),
        (["no-such-program"], ["`no-such-program` is not installed"]),
    ],
)
def test_a_logged_command_fails_with_the_end_of_its_log(
    tmp_path: Path, command: list[str], words: list[str]
) -> None:
    with pytest.raises(ClusterError) as caught:
        run_logged(command, tmp_path / "logs" / "build.log")
    assert all(word in str(caught.value) for word in words)


def test_a_log_holds_all_that_the_last_command_said(tmp_path: Path) -> None:
    for word in ("first", "second"):
        run_logged(["sh", "-c", f"echo {word}; echo {word} >&2"], tmp_path / "build.log")
    assert (tmp_path / "build.log").read_text() == "second\nsecond\n"

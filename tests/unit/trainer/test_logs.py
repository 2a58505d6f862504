"""What the console and the log file say: JSON to machines in a pod, text to people."""

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainingrun_api.names import ENV_ATTEMPT, ENV_NAME, ENV_NAMESPACE
from trainingrun_trainer import logs

POD = {ENV_NAME: "chest", ENV_NAMESPACE: "team", ENV_ATTEMPT: "2"}


@pytest.fixture(autouse=True)
def _root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize(("rank", "told"), [(0, {"rank": 0}), (3, {"rank": 3}), (None, {})])
def test_in_a_pod_each_line_says_which_rank_of_which_attempt_wrote_it(
    rank: int | None, told: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(rank, POD)
    logs.LOGGER.info("epoch %d/%d", 1, 50)
    line = json.loads(capsys.readouterr().out)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "trainingrun_trainer",
        "namespace": "team",
        "run": "chest",
        "attempt": 2,
        **told,
        "message": "epoch 1/50",
    }


def test_in_a_pod_the_file_is_text_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "logs" / "training.log"
    logs.configure(0, POD, file)
    logs.LOGGER.info("epoch 1/50")
    assert file.read_text().endswith(" INFO epoch 1/50\n")
    assert json.loads(capsys.readouterr().out)["message"] == "epoch 1/50"


@pytest.mark.parametrize(("rank", "end"), [(0, " INFO epoch 1/50\n"), (3, " INFO rank 3: epoch 1/50\n")])
def test_elsewhere_the_console_is_text_too(rank: int, end: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(rank, {})
    logs.LOGGER.info("epoch 1/50")
    assert capsys.readouterr().out.endswith(end)


def test_a_warning_of_a_library_and_a_trace_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(0, POD)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("slow loader", stacklevel=1)
    try:
        raise ValueError("first\nlast")
    except ValueError as error:
        logs.LOGGER.error("training failed", exc_info=error)
    warned, failed = map(json.loads, capsys.readouterr().out.splitlines())
    assert "slow loader" in warned["message"]
    assert failed["exception"].endswith("ValueError: first\nlast")

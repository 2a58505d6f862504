"""What the screen of a local run shows, and what it keeps away from it."""

import pytest

from trainingrun_client.cli.local_screen import Lines, Moving, is_told
from trainingrun_client.log_lines import of_local
from trainingrun_client.run import TrainingRun

TORCH = "W1122 19:00:01.234567 123 torch/distributed/elastic/multiprocessing/api.py:900] Sending process"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"level": "INFO", "message": "epoch 1", "epoch": {"epoch": 1}}', True),
        ('{"level": "WARNING", "message": "trouble"}', True),
        ('{"level": "INFO", "message": "all is well"}', False),
        ('{"level": "ERROR", "message": "Interrupted: stopped by SIGTERM. The pod was stopped."}', False),
        (TORCH, False),
        (f"[rank0]:{TORCH}", False),
    ],
)
def test_an_epoch_and_trouble_are_worth_a_line(text: str, told: bool) -> None:
    assert is_told(of_local(text, "", 1)) is told


def run(percent: int | None) -> TrainingRun:
    progress = {} if percent is None else {"progress": {"percent": percent}}
    return TrainingRun({"metadata": {"name": "a", "uid": "u"}, "spec": {}, "status": progress})


def test_the_bar_never_goes_back_and_torch_is_not_its_last_line() -> None:
    moving = Moving()
    for percent in (10, 40, None, 30):
        moving.show(run(percent), [of_local("words", "", 1), of_local(TORCH, "", 1)])
    assert moving._bar.tasks[0].completed == 40
    assert moving._last.plain == "words"


def test_what_a_log_says_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().show(run(1), [of_local('{"level": "ERROR", "message": "\\u001b[2J"}', "", 1)])
    assert capsys.readouterr().out == "\\x1b[2J\n"

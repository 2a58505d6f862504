"""Ended between its results and its report, a run is done, and the next attempt makes what is missing."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.rehearsal import Life, Strike, play
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer.records import UNFINISHED

KILLED = 128 + signal.SIGKILL
STRIKES: Mapping[str, Strike | None] = {
    "undisturbed": None,
    "killed before the report": Strike("report"),
    "killed in the plots": Strike("plots"),
    "stopped before the report": Strike("report", signal=signal.SIGTERM),
}
ATTEMPTS = (1, 2)


class Attempts:
    """Two attempts of each run: exit codes, and what the files said after each."""

    def __init__(self, directory: Path, digits: Path) -> None:
        self._directory = directory
        config = directory / "config.json"
        content = {
            "task": "classification",
            "data": {
                "format": "zip",
                "path": str(digits),
                "imageSize": 32,
                "batchSize": 32,
                "numWorkers": 0,
                "persistentWorkers": False,
            },
            "model": {"architecture": "timm/test_resnet"},
            "maxEpochs": 1,
            "accelerator": "cpu",
            "artifacts": {"samplePredictions": 1},
        }
        config.write_text(json.dumps(content))
        self.codes: dict[tuple[str, int], int] = {}
        self.files: dict[tuple[str, int], dict[str, Any]] = {}
        for attempt in ATTEMPTS:
            lives = [
                Life(str(config), str(directory / run), attempt, 1, strike if attempt == 1 else None)
                for run, strike in STRIKES.items()
            ]
            codes, _ = play(lives)
            for run, (code,) in zip(STRIKES, codes, strict=True):
                self.codes[run, attempt] = code
                self.files[run, attempt] = self._read(run)

    def _read(self, run: str) -> dict[str, Any]:
        path = self._directory / run
        files = {name: json.loads((path / f"{name}.json").read_text()) for name in ("run", "results")}
        return files | {
            "made": {found.name for found in path.rglob("*") if found.suffix in (".png", ".html")}
        }


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory, digits_zip: Path) -> Attempts:
    return Attempts(tmp_path_factory.mktemp("reports"), digits_zip)


@pytest.mark.parametrize(
    ("run", "code", "state"),
    [
        ("killed before the report", KILLED, "running"),
        ("killed in the plots", KILLED, "running"),
        ("stopped before the report", EXIT_DONE, "completed"),
    ],
)
def test_results_say_that_training_is_done_and_the_report_is_not(
    attempts: Attempts, run: str, code: int, state: str
) -> None:
    assert attempts.codes[run, 1] == code
    left = attempts.files[run, 1]
    assert left["run"]["state"] == state
    assert left["results"]["scores"] == attempts.files["undisturbed", 1]["results"]["scores"]
    assert left["results"]["reported"] is False
    assert left["results"]["warnings"]
    assert (UNFINISHED in left["results"]["warnings"]) is (code == KILLED)


@pytest.mark.parametrize("run", list(STRIKES))
def test_the_next_attempt_completes_it(attempts: Attempts, run: str) -> None:
    assert attempts.codes[run, 2] == EXIT_DONE
    found, wanted = attempts.files[run, 2], attempts.files["undisturbed", 1]
    assert found["run"]["state"] == "completed"
    assert found["results"]["scores"] == wanted["results"]["scores"]
    assert found["results"]["reported"] is True
    if run == "killed in the plots":  # it would be killed there again
        assert found["results"]["warnings"] == ["plots: left out, an earlier attempt was killed in it"]
        assert "loss.png" not in found["made"]
    else:
        assert found["results"]["warnings"] == []
        assert found["made"] == wanted["made"]

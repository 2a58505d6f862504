"""A compiled network trains like the one that it was compiled from, and a resumed run like an undisturbed
one."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.integration.trainer.rehearsal import Life, Strike, play
from tests.integration.trainer.test_resume import EVERY_3_STEPS, KILLED, check_same
from trainingrun_api.names import EXIT_DONE
from trainingrun_trainer import samples
from trainingrun_trainer.errors import BadConfig
from trainingrun_trainer.optimization.compilation import check_compiler

SIZE = 16
PLAIN, COMPILED, RESUMED = "plain", "compiled", "resumed"


def missing() -> str:
    """What torch.compile lacks on this machine."""
    try:
        check_compiler()
    except BadConfig as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


class Played:
    """Runs of three epochs of two steps, of which the second has fewer images."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        pictures, config = directory / "digits.zip", directory / "config.json"
        samples.write_zip(islice(samples.digits(), 60), pictures)
        content = {
            "task": "classification",
            "data": {
                "format": "zip",
                "path": str(pictures),
                "imageSize": SIZE,
                "batchSize": 32,
                "numWorkers": 0,
            },
            "model": {
                "architecture": "tests.integration.trainer.tiny_classifier:perceptron",
                "parameters": {"size": SIZE},
                "dropout": 0,  # compiled, it draws other random numbers
            },
            "monitor": "val_loss",
            "maxEpochs": 3,
            "accelerator": "cpu",
            "compile": True,
            "artifacts": {"report": False},
        }
        config.write_text(json.dumps(content))
        lives = [
            self._life(PLAIN, overrides=("compile=false",)),
            self._life(COMPILED),
            # it goes on with the second step of an epoch
            self._life(RESUMED, strike=Strike("step", 4)),
            self._life(RESUMED, attempt=2),
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(self.cache))
            # each attempt makes its code anew, as in a new pod; the same code is not translated again
            patch.setenv("TORCHINDUCTOR_FX_GRAPH_CACHE", "0")
            self.codes, self.output = play(lives)

    def _life(self, run: str, **options: Any) -> Life:
        config, directory = self.directory / "config.json", self.directory / run
        return Life(str(config), str(directory), environment=EVERY_3_STEPS, **options)

    def epochs(self, run: str) -> list[dict[str, float]]:
        epochs: list[dict[str, float]] = json.loads((self.directory / run / "metrics.json").read_text())
        return epochs


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("compiled"))


def test_it_learns_as_without(played: Played) -> None:
    assert played.codes == [[EXIT_DONE], [EXIT_DONE], [KILLED], [EXIT_DONE]], played.output
    plain, compiled = played.epochs(PLAIN), played.epochs(COMPILED)
    assert [epoch["train_loss"] for epoch in compiled] == pytest.approx(
        [epoch["train_loss"] for epoch in plain], rel=1e-4
    )
    # a bias before batch statistics has no gradient but rounding, which Adam magnifies: only averages show it
    assert [epoch["val_loss"] for epoch in compiled] == pytest.approx(
        [epoch["val_loss"] for epoch in plain], rel=0.03
    )
    assert list(played.cache.rglob("*.so"))


def test_it_goes_on_exactly_with_a_batch_of_another_size_first(played: Played) -> None:
    assert "step 3," in played.output
    check_same(played.directory / COMPILED, played.directory / RESUMED)

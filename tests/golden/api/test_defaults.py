"""Python and the API server give a spec the same defaults: the server's are the reviewed copies."""

from pathlib import Path

import pytest

from tests.integration.api.specs import SPECS, defaulted, load
from trainingrun_api import TrainingRunSpec


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_python_reads_the_users_spec_as_the_server_completes_it(spec: Path) -> None:
    assert TrainingRunSpec.model_validate(load(spec)).to_wire() == load(defaulted(spec))

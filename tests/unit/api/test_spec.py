"""What the operator derives from a spec."""

import pytest

from trainingrun_api import TrainingRunSpec


@pytest.mark.parametrize(
    ("fields", "processes"),
    [
        pytest.param({}, 1, id="one GPU by default"),
        pytest.param({"resources": {"gpus": 4}}, 4, id="one a GPU"),
        pytest.param({"resources": {"gpus": 0}}, 1, id="one on the CPU"),
        pytest.param({"resources": {"gpus": 0}, "processesPerNode": 3}, 3, id="as many as asked for"),
    ],
)
def test_processes_in_each_pod(fields: dict[str, object], processes: int) -> None:
    assert TrainingRunSpec.model_validate(fields).local_world_size == processes


def test_cores_as_an_integer_are_read_as_the_text_that_a_pod_takes() -> None:
    spec = TrainingRunSpec.model_validate({"resources": {"cpu": 16}})
    assert spec.resources.cpu == "16"

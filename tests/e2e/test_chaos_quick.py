"""Lines of the chaos table; `make chaos` runs it whole."""

import pytest

from tests.chaos.runner import Runner
from tests.chaos.table import QUICK, Case
from tests.chaos.workload import Shape
from tests.helpers.runs import Runs

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]


@pytest.fixture(scope="module")
def runner(module_runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """One process in each pod: two cores start no more within the time that tests have."""
    return Runner(module_runs, Shape(processes=1), tmp_path_factory.mktemp("chaos"))


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_the_run_completes_as_if_nothing_had_happened(runner: Runner, case: Case) -> None:
    result = runner.run(case)
    print(result.seen)
    assert result.wrong == []

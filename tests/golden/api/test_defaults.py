"""Python and the API server read a spec alike: the server's reviewed copies hold its defaults."""

from pathlib import Path

import pytest
import yaml

from tests.helpers.defaulting import completed
from tests.helpers.golden import assert_reviewed
from tests.integration.api.specs import SPECS, defaulted, load
from trainingrun_api import TrainingRunSpec
from trainingrun_api.schema import structural_schema

SCHEMA = structural_schema(TrainingRunSpec)


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_the_schema_completes_a_spec_as_reviewed(spec: Path) -> None:
    """The same copies as the real server's: they can be renewed without one."""
    assert_reviewed(defaulted(spec), yaml.safe_dump(completed(load(spec), SCHEMA)))


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_python_reads_the_users_spec_and_the_completed_one_alike(spec: Path) -> None:
    by_user = TrainingRunSpec.model_validate(load(spec)).to_wire()
    assert TrainingRunSpec.model_validate(load(defaulted(spec))).to_wire() == by_user


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_python_gives_every_default_of_the_server(spec: Path) -> None:
    """Those that differ between tasks are no defaults of the schema: Python alone knows them."""
    assert _within(load(defaulted(spec)), TrainingRunSpec.model_validate(load(spec)).to_wire())


def _within(part: object, whole: object) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _within(value, whole[name]) for name, value in part.items())
    return part == whole

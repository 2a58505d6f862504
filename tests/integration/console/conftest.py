"""A service with an empty history for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import page_scene
from tests.helpers.page_scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with page_scene.serving(tmp_path) as found:
        yield found

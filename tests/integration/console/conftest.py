"""One browser for the tests of pages, and a service with an empty history for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.helpers import browser as browsers
from tests.helpers import page_scene
from tests.helpers.page_scene import Scene


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsers.launched() as found:
        yield found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with page_scene.serving(tmp_path) as found:
        yield found

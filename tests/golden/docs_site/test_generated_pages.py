"""The reference is what the code says of itself: it is never edited by hand."""

from pathlib import Path

import pytest

from tests.cluster.api import TREE
from tests.docs_site.pages import REFERENCE, generated_pages


@pytest.mark.parametrize("path", generated_pages(), ids=str)
def test_a_page_is_what_the_code_generates(path: Path) -> None:
    assert (TREE / path).read_text(encoding="utf-8") == generated_pages()[path], "run `make reference`"


def test_no_page_of_the_reference_is_left_over() -> None:
    assert {path.relative_to(TREE) for path in (TREE / REFERENCE).glob("*.md")} == set(generated_pages())

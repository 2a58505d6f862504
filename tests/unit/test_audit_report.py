"""What `make audit` makes of pip-audit's report."""

from typing import Any

import pytest

from tests.audit import FOUND, UNAVAILABLE, judged, worst

HARMLESS = {"name": "kopf", "version": "1.45.2", "vulns": []}
FLAWED = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "PYSEC-2019-217"}]}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "status", "word"),
    [
        ([HARMLESS], 0, "nothing known against 1"),
        ([HARMLESS, FLAWED], FOUND, "jinja2 2.4.1: PYSEC-2019-217"),
        ([HARMLESS, UNKNOWN], UNAVAILABLE, "1 of 2 unknown: Dependency not found"),
        ([UNKNOWN, FLAWED], FOUND, "jinja2"),
    ],
)
def test_a_package_that_nobody_could_ask_for_is_not_harmless(
    packages: list[Any], status: int, word: str
) -> None:
    found, words = judged({"dependencies": packages})
    assert found == status
    assert word in words


@pytest.mark.parametrize(
    ("results", "status"),
    [((), 0), ((0, 0), 0), ((0, UNAVAILABLE), UNAVAILABLE), ((UNAVAILABLE, FOUND, 0), FOUND)],
)
def test_a_finding_counts_more_than_a_missing_database(results: tuple[int, ...], status: int) -> None:
    assert worst(results) == status

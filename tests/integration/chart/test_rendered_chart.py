"""What the chart renders, word for word: the permissions, the pod and its security are reviewed there.

The CustomResourceDefinition, the dashboards and the rules are left out: they are generated, and compared
with their definitions.
"""

import os
from pathlib import Path

import pytest

from tests.helpers.helm import render
from tests.integration.chart.matrix import MATRIX

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", MATRIX)
def test_the_chart_renders_what_was_reviewed(name: str) -> None:
    """`UPDATE_GOLDEN=1` writes the reviewed copy anew; then read the difference."""
    reviewed = HERE / f"{name}.yaml"
    rendered = render("crds.create=false", "dashboards.enabled=false", *MATRIX[name])
    if os.environ.get("UPDATE_GOLDEN"):
        reviewed.write_text(rendered)
    assert rendered == reviewed.read_text()

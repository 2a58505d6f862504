"""The digits example as the end-to-end tests run it, and a user who watches it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.runs import Runs

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits-classification.yaml"
_RUN: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
DIGITS: str = _RUN["metadata"]["name"]
DATA_CLAIM: str = _RUN["spec"]["volumes"][0]["claim"]
OPERATOR_SELECTOR = "app.kubernetes.io/name=trainingrun-operator"


@dataclass(frozen=True)
class Finished:
    """The digits run after it ended, and what a user saw on the way."""

    runs: Runs
    status: dict[str, Any]
    watched: list[str]
    """Lines of `kubectl get tr -w`."""


def apply_digits(runs: Runs) -> None:
    """`kubectl apply -f examples/digits-classification.yaml`."""
    runs.kubectl("apply", "-f", str(EXAMPLE))

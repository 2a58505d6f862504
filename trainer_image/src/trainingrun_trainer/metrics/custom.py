"""Metrics of the image's own: `metrics.custom` as module:callable, beside those of every task."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from torch import nn
from torchmetrics import Metric

from trainingrun_trainer import metrics
from trainingrun_trainer.errors import BadConfig

ADVICE = "Name a class or function of the image that gives a torchmetrics.Metric, such as my_package:Speed."


class CustomMetrics(nn.Module):
    """Metrics by name, updated with the predictions and targets of validation and test.

    Lower values are better of those whose `higher_is_better` is False; of all others higher ones.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Import and make them.

        Raises:
            BadConfig: one cannot be imported, made or told from another.
        """
        super().__init__()
        self._paths: dict[str, str] = {}
        self.metrics: Mapping[str, Any] = nn.ModuleDict()  # type: ignore[assignment]
        for path in paths:
            name = snake_case(path.partition(":")[2])
            if name in self.metrics or name in metrics.HEADLINE:
                raise BadConfig(
                    f"metrics.custom {path}: there is a metric {name} already", "Give it another name."
                )
            metric = _make(path)
            if metric.higher_is_better is False:
                metrics.LOWER_IS_BETTER.add(name)
            self.metrics[name] = metric  # type: ignore[index]
            self._paths[name] = path

    def try_out(self, predictions: Any, targets: Any) -> None:
        """Count a batch and forget it, each rank for itself, so that what does not fit is found before it has
        cost an epoch.

        Raises:
            BadConfig: a metric does not take it, or gives no number.
        """
        with _alone(self), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of one batch they say nothing
            self.update(predictions, targets)
            self.scores()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        for metric in self.metrics.values():
            metric.reset()

    def update(self, predictions: Any, targets: Any) -> None:
        """Count a batch.

        Raises:
            BadConfig: a metric does not take it.
        """
        for name, metric in self.metrics.items():
            try:
                metric.update(predictions, targets)
            except Exception as error:  # the code is the user's, and may raise anything
                raise BadConfig(
                    f"metrics.custom {self._paths[name]} does not take the batches of this task: {error}",
                    "docs/training.md says what predictions and targets are.",
                ) from error

    def scores(self) -> dict[str, float]:
        """One number each; every rank must ask at the same point.

        Raises:
            BadConfig: a metric gives something else.
        """
        return {name: _number(self._paths[name], metric) for name, metric in self.metrics.items()}


def snake_case(name: str) -> str:
    """BoundaryF1 -> boundary_f1"""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _make(path: str) -> Metric:
    module, _, name = path.partition(":")
    try:
        metric = getattr(import_module(module), name)()
    except Exception as error:  # likewise
        raise BadConfig(f"metrics.custom {path} cannot be made: {error}", ADVICE) from error
    if not isinstance(metric, Metric):
        raise BadConfig(f"metrics.custom {path} gives a {type(metric).__name__}", ADVICE)
    return metric


@contextmanager
def _alone(module: nn.Module) -> Iterator[None]:
    """Let metrics compute what this rank counted, not all of them."""
    nested = [metric for metric in module.modules() if isinstance(metric, Metric)]
    before = [metric.distributed_available_fn for metric in nested]
    for metric in nested:
        metric.distributed_available_fn = lambda: False
    try:
        yield
    finally:
        for metric, available in zip(nested, before, strict=True):
            metric.distributed_available_fn = available


def _number(path: str, metric: Metric) -> float:
    try:
        return float(metric.compute())
    except Exception as error:  # likewise
        raise BadConfig(f"metrics.custom {path} gives no single number: {error}", ADVICE) from error

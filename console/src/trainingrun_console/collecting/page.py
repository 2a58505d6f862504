"""Rank 0's metrics page -> the epoch that it tells of. Pure.

Any program may serve one, as long as it has the names of the trainer contract.
"""

from collections.abc import Mapping
from datetime import datetime

from prometheus_client.parser import text_string_to_metric_families

from trainingrun_api import telemetry
from trainingrun_console.collecting.merging import SPLITS, clean
from trainingrun_console.history.records import Epoch

MEASURES: Mapping[str, str] = {
    telemetry.LEARNING_RATE: "learning_rate",
    telemetry.SAMPLES_PER_SECOND: "samples_per_second",
}


def epoch_of(page: str, at: datetime) -> Epoch | None:
    """The last epoch that was finished, with its scores; None where the page tells of none.

    Its step and seconds are not on the page: those there are of the moment, and of several epochs.
    """
    told: dict[str, object] = {}
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == telemetry.EPOCH:
                    told["epoch"] = int(sample.value)
                elif sample.name == telemetry.METRIC:
                    name = f"{sample.labels.get('split', '')}_{sample.labels.get('name', '')}"
                    told[name] = sample.value
                elif sample.name in MEASURES:
                    told[MEASURES[sample.name]] = sample.value
    except Exception:  # noqa: BLE001 - the parser has no errors of its own: broken labels end in an IndexError
        return None
    found = clean(told, at)
    return found if found and any(name.startswith(SPLITS) for name in found) else None

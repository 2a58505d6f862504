"""What is known of a finished run, in words: for report.html and model_card.md alike. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainingrun_trainer.metrics import HEADLINE

DIGITS = ".4f"


@dataclass(frozen=True)
class Summary:
    """The files of the run directory that people ask for."""

    run: Mapping[str, Any]
    """run.json"""
    config: Mapping[str, Any]
    """config.json"""
    results: Mapping[str, Any]
    """results.json"""

    @property
    def run_id(self) -> str:
        return str(self.run["run_id"])

    @property
    def classes(self) -> list[str]:
        return list(self.run["classes"])

    @property
    def warnings(self) -> list[str]:
        return list(self.results["warnings"])

    @property
    def lead(self) -> str:
        """The run in one line."""
        results = self.results
        monitor = results["monitor"]
        return (
            f"{self.run['task']} by {self.config['model']['architecture']}; {monitor} "
            f"{results['scores'][monitor]:{DIGITS}} in epoch {results['best_epoch']} of "
            f"{results['total_epochs_run']}"
        )

    @property
    def results_rows(self) -> list[tuple[str, str]]:
        results = self.results
        return [
            ("best epoch", f"{results['best_epoch']}, by {results['monitor']}"),
            ("epochs", f"{results['total_epochs_run']}{', stopped early' * results['early_stopped']}"),
            ("training time", f"{results['training_time']:.0f} s"),
            ("parameters", f"{results['model_params']:,}"),
            ("weights", results["best_model_path"]),
            *((f"export {name}", path) for name, path in results["exports"].items()),
        ]

    @property
    def scores(self) -> dict[str, dict[str, str]]:
        """Scores of the best epoch, those of single classes apart: by metric and split."""
        found: dict[str, dict[str, str]] = {}
        for name, value in self.results["scores"].items():
            split, _, metric = name.partition("_")
            if "_class_" not in metric:
                found.setdefault(metric, {})[split] = format(value, DIGITS)
        place = {metric: number for number, metric in enumerate(HEADLINE)}
        return dict(sorted(found.items(), key=lambda item: (place.get(item[0], len(place)), item[0])))

    @property
    def provenance_rows(self) -> list[tuple[str, str]]:
        """Only what is known."""
        return [(name, value) for name, value in self._provenance() if value is not None]

    def _provenance(self) -> Iterator[tuple[str, str | None]]:
        run = self.run
        for name in ("name", "namespace", "uid"):
            yield name, run.get(name)
        for split, count in run["images"].items():
            yield f"{split} samples", str(count)
        for name, value in run["provenance"].items():
            yield name.replace("_", " ").replace("sha256", "SHA-256"), value
        for attempt in run["attempts"]:
            yield (
                f"attempt {attempt['attempt']}",
                f"{attempt['started_at']}, {attempt['world_size']} processes on {attempt['nodes']} nodes",
            )

"""What follows the results on rank 0: sample predictions, plots, exports, report.html and model_card.md.

results.json is written before, so the run is done whatever happens here: what cannot be made costs a warning
in the log and in results.json, which is written again at the end. An attempt that finds results without it
evaluates again and makes all of this, but for what a predecessor was killed in: what ended that one would end
it too, as memory that ran out.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from typing import Any

import torch

from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer import exports, records
from trainingrun_trainer.artifacts import REPORTING, as_json
from trainingrun_trainer.attempt import Attempt
from trainingrun_trainer.data.prepared import PreparedData
from trainingrun_trainer.errors import Fenced
from trainingrun_trainer.exports import Export
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.report import overlays
from trainingrun_trainer.report.card import markdown
from trainingrun_trainer.report.page import Figure, html
from trainingrun_trainer.report.samples import examples, pictures
from trainingrun_trainer.report.summary import Summary
from trainingrun_trainer.tasks import task
from trainingrun_trainer.tasks.module import TaskModule

EXPORTS, PLOTS, SAMPLES = "exports", "plots", "samples"
"""Directories in the run directory."""
CONCLUSION = "report and model card"
ANNOUNCEMENT = "list of files"
LONGEST = 900.0
"""Seconds that a single step, often one call into a library, may take until it counts as hung."""
BEAT_SECONDS = 1.0


@dataclass
class Finish:
    """What is at hand, and what came of it so far."""

    attempt: Attempt
    data: PreparedData
    module: TaskModule
    evidence: Mapping[str, torch.Tensor]
    device: torch.device
    results: Mapping[str, Any]
    plots: list[Figure] = field(default_factory=list)
    samples: list[Figure] = field(default_factory=list)
    exports: dict[str, Export] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What takes long, by the words for it, in order."""
        config = self.attempt.config
        if config.artifacts.report:
            if config.artifacts.sample_predictions:
                yield "sample predictions", self.draw_samples
            yield "plots", self.draw_plots
        for form in config.export.formats:
            yield f"export {form}", partial(self.export, form)

    def begin(self, what: str, step: Callable[[], None]) -> None:
        """Take a step, after run.json says so: a process that is killed in it says nothing any more."""
        self.attempt.directory.note({REPORTING: what})
        step()

    def draw_samples(self) -> None:
        config = self.attempt.config
        drawn = []
        for index, picture in pictures(
            task(config.task).pictures, self.module, self.data, config, self.device
        ):
            png = overlays.png(overlays.as_image(picture.pixels))
            self.write(f"{SAMPLES}/{index:06}.png", png)
            self.samples.append(Figure(f"sample {index}: {picture.caption}", png, right=picture.right))
            drawn.append(picture)
        self.write(f"{PLOTS}/samples.png", overlays.png(overlays.sheet(drawn)))

    def draw_plots(self) -> None:
        from trainingrun_trainer.report import plots  # matplotlib takes seconds

        progress, results = self.attempt.progress, self.results
        assert progress is not None
        drawn = {
            **plots.of_training(progress.epochs, results["monitor"], results["best_epoch"]),
            **plots.of_evidence(self.evidence, self.data.classes),
        }
        for name, plot in drawn.items():
            light = plots.png(plot)
            self.write(f"{PLOTS}/{name}.png", light)
            self.plots.append(Figure(name.replace("_", " "), light, plots.png(plot, "dark")))
        if "confusion" in self.evidence:
            counts = self.evidence["confusion"].tolist()
            content = {"classes": self.data.classes, "counts_by_truth_and_prediction": counts}
            self.write(f"{PLOTS}/confusion_matrix.json", as_json(content))

    def export(self, form: str) -> None:
        """Make one form of the model; raises like `exports.export`."""
        described = task(self.attempt.config.task).exportable(self.module)
        inputs = examples(self.data, self.attempt.config, batched=0 in described.sizes)
        made = exports.export(form, described, inputs)
        self.write(f"{EXPORTS}/{made.file}", made.content)
        self.exports[form] = made
        content = exports.describe(described, inputs[0], self.exports, self.data.classes)
        self.write(f"{EXPORTS}/export.json", as_json(content))
        LOGGER.info("exported %s, within %.2g of the model", made.file, made.difference)

    def conclude(self) -> None:
        """Write what takes no time: report and model card, and the results last."""
        results = {
            **self.results,
            "exports": {form: f"{EXPORTS}/{made.file}" for form, made in self.exports.items()},
            "reported": not self.attempt.stop.received,
            "warnings": self.warnings,
        }
        directory, config = self.attempt.directory, self.attempt.config
        summary = Summary(directory.read_run(), config.to_wire(), results)
        if config.artifacts.report:
            self.write("report.html", html(summary, self.plots, self.samples).encode())
        self.write("model_card.md", markdown(summary).encode())
        directory.write_results(results)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the run directory.

        Raises:
            Fenced: a later attempt has begun.
        """
        directory = self.attempt.directory
        with directory.fence.file(directory.path / name) as file:
            file.write(content)

    def warn(self, text: str) -> None:
        """Tell the log now, and results.json at the end."""
        LOGGER.warning(text)
        self.warnings.append(text)


def finish(
    attempt: Attempt,
    data: PreparedData,
    module: TaskModule,
    evidence: Mapping[str, torch.Tensor],
    device: torch.device,
    results: Mapping[str, Any],
) -> None:
    """Make all that the config asks for. After SIGTERM what takes long is left out, and the run is done; if
    another attempt comes, it makes that.

    Args:
        attempt: that of rank 0, whose results are written.
        data: the prepared data.
        module: with the best weights.
        evidence: what the last validation counted.
        device: where the network predicts.
        results: as they are written.

    Raises:
        Fenced: a later attempt has begun.
    """
    attempt.heartbeat.enter(TrainerPhase.REPORTING)
    attempt.stop.deferred = True
    work = Finish(attempt, data, module, evidence, device, results)
    deadly = attempt.directory.killed_in()
    for what, step in work.steps():
        if attempt.stop.received:
            work.warn(f"{what}: left out, the pod was stopped")
        elif what in deadly:
            work.warn(f"{what}: left out, an earlier attempt was killed in it")
        else:
            _attempt(work, what, attempt.stop.heeded(partial(work.begin, what, step)))
    _attempt(work, CONCLUSION, partial(work.begin, CONCLUSION, work.conclude))
    _attempt(work, ANNOUNCEMENT, partial(records.announce, attempt))


def _attempt(work: Finish, what: str, step: Callable[[], None]) -> None:
    try:
        with beating(work.attempt.heartbeat.beat):
            step()
    except Fenced:
        raise
    except Exception as error:  # noqa: BLE001 - the run is done, and must not fail for its pictures
        LOGGER.debug("%s", what, exc_info=error)
        lines = str(error).strip().splitlines()
        work.warn(f"{what}: left out, {type(error).__name__}: {lines[0] if lines else 'no reason given'}")


@contextmanager
def beating(beat: Callable[[], None], longest: float = LONGEST) -> Iterator[None]:
    """Beat while a block runs, but no longer than some seconds: what hangs must be noticed."""
    done = Event()

    def go_on() -> None:
        end = time.monotonic() + longest
        while not done.wait(BEAT_SECONDS) and time.monotonic() < end:
            beat()

    thread = Thread(target=go_on, name="beating", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

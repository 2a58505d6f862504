"""`trainingrun-train predict`: what the best weights of a finished run say of files without labels."""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.apply_func import move_data_to_device

from trainingrun_api import TrainingConfig
from trainingrun_trainer import checkpoint_files, config, logs
from trainingrun_trainer.accelerator import choose_accelerator, choose_precision, cpu_limit, threads
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.checkpoint_files import BEST_WEIGHTS
from trainingrun_trainer.data import archive
from trainingrun_trainer.data.images import read_all
from trainingrun_trainer.errors import BadConfig, BadData, TrainerError, exit_code
from trainingrun_trainer.logs import LOGGER
from trainingrun_trainer.models import weights
from trainingrun_trainer.predicting import Learned, Predictor
from trainingrun_trainer.tasks import task
from trainingrun_trainer.tasks.module import TaskModule

COMMAND = "predict"


def main(argv: Sequence[str]) -> None:
    """Predict, and leave with the exit code of docs/trainer-contract.md."""
    parser = argparse.ArgumentParser(
        prog=f"trainingrun-train {COMMAND}", description="Predict files with the best weights of a run."
    )
    parser.add_argument("--run-dir", type=Path, required=True, help="directory of a finished run")
    parser.add_argument(
        "--data", type=Path, required=True, help="a file, or a directory or ZIP that is searched for files"
    )
    parser.add_argument("--out", type=Path, required=True, help="directory of the predictions")
    options = parser.parse_args(argv)
    logs.quiet_libraries()
    logs.configure(0, {})
    try:
        predict(options.run_dir, options.data, options.out)
    except TrainerError as error:
        LOGGER.error("%s: %s. %s", type(error).__name__, error.message, error.advice)
        sys.exit(exit_code(error))


def predict(run_dir: Path, data: Path, out: Path) -> None:
    """Write the predictions for all files of the data into a directory, as the task does.

    Raises:
        BadConfig: there is no finished run, or the directory cannot be written.
        BadData: there are no files, or some cannot be used; names the first ten. The others are predicted.
    """
    trained, learned = _run(run_dir)
    _check_writable(out)
    with tempfile.TemporaryDirectory(prefix="trainingrun-") as scratch:
        source = _unpacked(data, Path(scratch), trained)
        predictor: Predictor = import_module(
            f"trainingrun_trainer.predicting.{trained.task.replace('-', '_')}"
        ).PREDICTOR(trained, learned, out)
        paths = _files(source, predictor.suffixes)
        names = [path.relative_to(source if source.is_dir() else source.parent).as_posix() for path in paths]
        module, autocast = _module(trained, learned, run_dir)
        LOGGER.info("predicting %d files of %s on %s", len(paths), data, module.device)
        try:
            samples = read_all(
                lambda number: predictor.read(paths[number]),
                names,
                threads(cpu_limit(), 1),
                "Replace these files or drop them; the others are predicted.",
            )
            for batch in _batches(samples, predictor.batch_size):
                numbers, read = zip(*batch, strict=True)
                on_device = move_data_to_device(predictor.batch(read), module.device)
                with torch.inference_mode(), autocast:
                    predictions = module.predict_batch(on_device)
                predictor.write([names[number] for number in numbers], read, predictions)
        finally:
            predictor.close()
    LOGGER.info("predictions are in %s", out)


def _run(run_dir: Path) -> tuple[TrainingConfig, Learned]:
    run = RunDirectory(run_dir.absolute()).read_run()
    if "classes" not in run or not (run_dir / "checkpoints" / BEST_WEIGHTS).exists():
        raise BadConfig(
            f"the run directory {run_dir} holds no finished run", "Check --run-dir, and run.json in it."
        )
    trained = config.load(run_dir / "config.json")
    return trained, Learned(tuple(run["classes"]), tuple(run.get("label_values", ())))


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise BadConfig(
            f"--out {out} cannot be written: {error.strerror}",
            "Give a directory that is there or can be made, and that this user may write.",
        ) from error


def _module(trained: TrainingConfig, learned: Learned, run_dir: Path) -> tuple[TaskModule, torch.autocast]:
    """The module with its best weights, ready to predict, and its precision. What training began with, and
    how classes weighed, matters no more."""
    model = trained.model.model_copy(update={"weights": None, "encoder_weights": None})
    loss = trained.loss.model_copy(update={"class_weights": "none", "class_weight_values": None})
    plain = trained.model_copy(update={"model": model, "loss": loss})
    accelerator = choose_accelerator(
        "auto", gpus_requested=None, cuda_devices=torch.cuda.device_count(), local_world_size=1
    )
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    module = task(trained.task).module(plain, learned)
    # not load_state_dict: detectors count no batches where training began with weights of others
    best = run_dir / "checkpoints" / BEST_WEIGHTS
    weights.fill(module, checkpoint_files.load(best), str(best))
    module.to(device).eval()
    mixed = accelerator == "gpu" and torch.cuda.is_bf16_supported(including_emulation=False)
    precision = choose_precision(trained.precision, accelerator, bf16=mixed) if mixed else "32-true"
    return module, torch.autocast(
        device.type,
        dtype=torch.float16 if precision == "16-mixed" else torch.bfloat16,
        enabled=precision != "32-true",
    )


def _unpacked(data: Path, scratch: Path, trained: TrainingConfig) -> Path:
    if not data.exists():
        raise BadData(f"--data {data} does not exist", "Check the path.")
    if data.suffix.lower() != ".zip":
        return data
    archive.extract(data, scratch, trained.data.limits, lambda: None)
    return scratch


def _files(source: Path, suffixes: Sequence[str]) -> list[Path]:
    candidates = sorted(source.rglob("*")) if source.is_dir() else [source]
    found = [path for path in candidates if path.is_file() and path.name.lower().endswith(tuple(suffixes))]
    if not found:
        raise BadData(f"--data {source} holds no files of {', '.join(suffixes)}", "Check the path.")
    return found


def _batches(samples: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    try:
        for sample in samples:
            batch.append(sample)
            if len(batch) == size:
                yield batch
                batch = []
    except BadData:  # of some files, which is told after all others
        if batch:
            yield batch
        raise
    if batch:
        yield batch

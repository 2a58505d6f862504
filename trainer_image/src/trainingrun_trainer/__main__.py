"""`trainingrun-train`: one training process. Without torchrun's environment it is the whole run."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import torch
from pytorch_lightning.utilities import rank_zero_only

from trainingrun_api import names
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_api.termination import TerminationMessage
from trainingrun_trainer import arguments, config, logs, termination, training
from trainingrun_trainer.accelerator import THREADS_VARIABLE, cpu_limit, threads
from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.attempt import Attempt
from trainingrun_trainer.database.mirror import Mirror
from trainingrun_trainer.distributed import Ranks, leave
from trainingrun_trainer.errors import BadConfig, TrainerError, exit_code
from trainingrun_trainer.heartbeat import Heartbeat
from trainingrun_trainer.telemetry import Telemetry

COMMANDS = {
    "predict": "trainingrun_trainer.predict",
    "import-config": "trainingrun_trainer.importing.command",
    "validate-data": "trainingrun_trainer.validate_data",
}
"""First words of the command line that do something else than train, and the modules that do it."""
SECONDS_FOR_LAST_ROWS = 2.0
"""After a failure, when little of a grace period may be left and another attempt may write them."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run, and leave with the exit code and the message of docs/trainer-contract.md."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        sys.exit(import_module(COMMANDS[words[0]]).main(words[1:]))
    options = arguments.parser().parse_args(words)
    ranks = Ranks.from_environment(os.environ)
    # Lightning reads it when it is imported, which may be before this process was forked.
    rank_zero_only.rank = ranks.rank  # type: ignore[attr-defined]
    heartbeat = Heartbeat.from_environment(os.environ, ranks.rank, ranks.local_rank)
    directory = RunDirectory(options.run_dir.absolute(), int(os.environ.get(names.ENV_ATTEMPT, "1")))
    attempt: Attempt | None = None
    logs.quiet_libraries()
    try:
        _open_log(directory, ranks)
        if THREADS_VARIABLE not in os.environ:
            torch.set_num_threads(threads(cpu_limit(), ranks.local_world_size))
        attempt = Attempt(
            config.load(options.config, options.set),
            directory,
            ranks,
            heartbeat,
            Telemetry(heartbeat),
            os.environ,
        )
        port = options.metrics_port or int(os.environ.get(names.ENV_METRICS_PORT, "0"))
        if attempt.leads:
            attempt.database = Mirror.of(directory, os.environ)
            if port:
                attempt.telemetry.serve(port, os.environ.get(names.ENV_METRICS_ADDRESS))
        training.run(attempt)
        if attempt.leads:
            message = attempt.message(TerminationMessage(outcome="completed"))
            directory.end(message.outcome)
            termination.write(message, os.environ)
            if attempt.database:
                attempt.database.close()
        heartbeat.enter(TrainerPhase.FINISHED)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - reported, then the process ends
        _report(error, directory, ranks, attempt)
        leave(exit_code(error))
        sys.exit(exit_code(error))


def _open_log(directory: RunDirectory, ranks: Ranks) -> None:
    logs.configure(ranks.rank, os.environ)
    if ranks.rank == 0:
        try:
            logs.configure(ranks.rank, os.environ, directory.log_file)
        except OSError as error:
            raise BadConfig(
                f"the run directory {directory.path} cannot be written: {error.strerror}",
                "Check --run-dir, and that the checkpoints volume is writable for user and group 1000.",
            ) from error


def _report(error: BaseException, directory: RunDirectory, ranks: Ranks, attempt: Attempt | None) -> None:
    message = termination.failure(error, ranks.rank)
    if attempt is not None:
        message = attempt.message(message)
    termination.report_failure(error, message, os.environ)
    if isinstance(error, TrainerError):
        logs.LOGGER.error("%s: %s. %s", type(error).__name__, error.message, error.advice)
    else:
        logs.LOGGER.error("training failed", exc_info=error)
    if ranks.rank == 0:
        try:
            directory.end(message.outcome)
        except (OSError, TrainerError) as problem:  # must not hide the first error
            logs.LOGGER.error("run.json does not say how the run ended: %s", problem)
    if attempt is not None and attempt.database:
        attempt.database.close(SECONDS_FOR_LAST_ROWS)


if __name__ == "__main__":
    main()

"""The command line that trainingrun-launch and trainingrun-train share. Imports nothing heavy."""

import argparse
from pathlib import Path

from trainingrun_api import names


def parser() -> argparse.ArgumentParser:
    """Options of both programs."""
    result = argparse.ArgumentParser(
        description="Train, evaluate and write everything to the run directory.",
        epilog="`trainingrun-train predict --help` asks the best model of a run about new data; "
        "`trainingrun-train validate-data --help` reads data as training would and names each problem; "
        "`trainingrun-train import-config --help` turns configurations of earlier systems into TrainingRuns.",
    )
    result.add_argument(
        "--config", type=Path, required=True, help="training config or TrainingRun, JSON or YAML"
    )
    result.add_argument("--run-dir", type=Path, required=True, help="directory of the run's results")
    result.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override, as optimizer.learningRate=0.0005",
    )
    result.add_argument(
        "--metrics-port", type=int, help=f"port of /metrics; default: ${names.ENV_METRICS_PORT}"
    )
    return result

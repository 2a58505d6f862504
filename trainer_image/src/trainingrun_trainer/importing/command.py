"""The command line of `trainingrun-train import-config`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import yaml

from trainingrun_api.training import TaskName
from trainingrun_trainer.errors import TrainerError
from trainingrun_trainer.importing.conversion import convert
from trainingrun_trainer.importing.sources import read

NAME = "import-config"


def main(argv: Sequence[str]) -> int:
    """Write the TrainingRun to --out or standard output, and to standard error what became of the rest."""
    options = _parser().parse_args(argv)
    try:
        converted = convert(read(options.file), options.file.stem, options.task)
        text = yaml.safe_dump(converted.run, sort_keys=False)
        if options.out:
            options.out.write_text(text, encoding="utf-8")
        else:
            print(text, end="")
    except TrainerError as error:
        print(f"{error.message}. {error.advice}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"cannot write {options.out}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{options.file} is a configuration of {converted.form}", file=sys.stderr)
    for line in converted.dropped:
        print(f"dropped {line}", file=sys.stderr)
    for line in converted.notes:
        print(f"note: {line}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog=f"trainingrun-train {NAME}",
        description="Turn a configuration of an earlier system into a TrainingRun, and say what was dropped.",
    )
    result.add_argument("file", type=Path, help="YAML, JSON, or Python, which is parsed and never run")
    result.add_argument("--out", type=Path, help="file of the TrainingRun; default: standard output")
    result.add_argument(
        "--task", choices=get_args(TaskName), help="what is learned, where the file does not say"
    )
    return result

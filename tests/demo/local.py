"""`make demo-local`: the demo's run on this machine, without a cluster, a container or the operator.

It writes the sample data, trains by `kubectl trainingrun local` as anybody would, and says where the report
is.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster import ClusterError
from tests.cluster.api import TREE
from tests.demo import report, steps
from tests.demo.progress import Progress, Step, StepError

FOLDER = TREE / "build" / "demo-local"
DATA, RUN_DIRECTORY = FOLDER / "data", FOLDER / "runs" / steps.RUN
PROGRAM = Path(sys.executable).parent / "kubectl-trainingrun"
INTERRUPTED = 130
WELCOME = """\
The model of `make demo`, trained by two processes on this machine, without a cluster.
Ctrl-C writes a checkpoint and stops; `make demo-local` goes on from there.
"""


class EndedError(Exception):
    """Training did not come to its end; the program said why itself."""


def command() -> list[str]:
    """How the run is trained, with paths below the root of the repository."""
    return [
        "kubectl-trainingrun", "local", str(steps.EXAMPLE.relative_to(TREE)),
        "--data", f"{steps.DATA_CLAIM}={DATA.relative_to(TREE)}",
        "--run-dir", str(RUN_DIRECTORY.relative_to(TREE)),
    ]  # fmt: skip


def train() -> None:
    """Train the run; one that an earlier demo completed makes room. Raises EndedError, KeyboardInterrupt."""
    if (RUN_DIRECTORY / "results.json").exists():
        shutil.rmtree(RUN_DIRECTORY)
    print(f"$ {shlex.join(command())}", flush=True)
    program, *arguments = command()
    trained = subprocess.Popen([str(PROGRAM.with_name(program)), *arguments], cwd=TREE)
    while True:
        try:
            code = trained.wait()
            break
        except KeyboardInterrupt:  # the program has it too, and saves before it ends
            continue
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise EndedError(f"{program} ended with exit code {code}; what it said stands above")


def logs() -> Path:
    """Where the trainer wrote what it did."""
    return RUN_DIRECTORY / "logs"


def main() -> int:
    """The exit status: 0 where the run is Completed, 1 where a step failed, 130 where the user left."""
    argparse.ArgumentParser(prog="python -m tests.demo.local", description=__doc__).parse_args()
    print(WELCOME, flush=True)
    progress = Progress()
    data = Step("sample data", lambda: steps.write_sample_data(DATA), "`make venv` installs what writes it")
    training = Step("training", train, "the same command goes on from the newest checkpoint", draws=True)
    try:
        progress.carry_out([data, training], (ClusterError, EndedError), collect_logs=logs)
    except KeyboardInterrupt:
        print(f"\nLeft at: {progress.current}. `make demo-local` goes on from the checkpoint.")
        return INTERRUPTED
    except StepError as error:
        print(f"\n{error}")
        return 1
    print(f"\nWhat to try next\n{report.next_local_commands(RUN_DIRECTORY, command())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`data validate`: checks the data of a run on this machine, as the trainer does before it trains."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from trainingrun_api.names import EXIT_BAD_CONFIG, EXIT_BAD_DATA
from trainingrun_client.cli import screen
from trainingrun_client.cli.given import Changes, File
from trainingrun_client.cli.local import Data, backend_for, manifest_of
from trainingrun_client.manifests import checked_spec

WRONG_INPUT = 4
TRAINER = "trainingrun_trainer"


def validate(file: File, data: Data = None, changes: Changes = None) -> None:
    """Read all labels, decode each image once, split, count, and name every problem; train nothing.

    Exit codes: 0 the data can be trained on, 4 they or the file are wrong.
    """
    manifest = manifest_of(file, None, changes)
    backend = backend_for(data, Path("runs"))
    spec = checked_spec(manifest)
    with tempfile.TemporaryDirectory(prefix="trainingrun-") as folder:
        config = Path(folder) / "config.json"
        wanted = backend.config(manifest)
        screen.say(f"checking {_named(wanted['data'])}")
        config.write_text(json.dumps(wanted))
        processes = str(spec.nodes * spec.local_world_size)
        command = ["validate-data", "--config", str(config), "--processes", processes]
        code = subprocess.run([sys.executable, "-m", TRAINER, *command], check=False).returncode
    if code:
        raise typer.Exit(WRONG_INPUT if code in (EXIT_BAD_DATA, EXIT_BAD_CONFIG) else 1)


def _named(data: Mapping[str, Any]) -> str:
    """The file to look at where one says all of the data; a directory may hold other things too."""
    path = Path(data["path"])
    names = ("metadata.csv", "dataset.json", "data.yaml")
    return str(next((path / name for name in names if (path / name).is_file()), path))

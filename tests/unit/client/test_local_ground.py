"""Where a run on this machine may write."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from trainingrun_api.training import DataConfig
from trainingrun_client.errors import InputError
from trainingrun_client.local.ground import check_ground


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("runs/new", None),
        ("runs/empty", None),
        ("claim/beside", None),
        ("runs/known", None),
        ("runs/pulled", None),
        ("runs/project", "other files than those of a run"),
        ("runs/foreign", "other files than those of a run"),
        ("claim", "holds the data"),
        (".", "holds the data"),
        ("claim/set", "holds the data"),
        ("claim/set/images/new", "lies in the data"),
        ("claim/set/new", "lies in the data"),
        ("runs/file", "runs/file cannot be a run directory: Not a directory"),
    ],
)
def test_a_run_fills_no_directory_of_others(place: str, told: str | None, tmp_path: Path) -> None:
    for name, content in {
        "claim/set/images/1.png": "",
        "runs/known/.local/1.log": "",
        "runs/pulled/config.json": '{"task": "classification", "data": {}}',
        "runs/project/config.json": "no JSON",
        "runs/foreign/notes.txt": "",
        "runs/file": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "runs/empty").mkdir()
    data = DataConfig.model_validate({"format": "directory", "path": str(tmp_path / "claim/set")})
    refused: AbstractContextManager[Any] = (
        nullcontext() if told is None else pytest.raises(InputError, match=told)
    )
    with refused:
        check_ground(tmp_path / place, data, [tmp_path / "claim"])

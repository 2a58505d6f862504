"""What the pod's shell does at the end of a transfer, in the shell of this machine."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from trainingrun_client.files.commands import FINISH


@pytest.mark.parametrize(
    ("part", "there", "answer", "left"),
    [
        ("new", None, "right", "new"),
        ("new", "old", "right", "new"),
        (None, "new", "right", "new"),  # asked again, or another client was quicker
        ("ne", "new", "right", "new"),  # another client was quicker, and this one went on with a new part
        ("ne", "old", "wrong", "old"),
        ("ne", None, "wrong", None),
        (None, None, "wrong", None),
    ],
)
def test_a_file_is_right_that_has_the_content_at_the_end(
    part: str | None, there: str | None, answer: str, left: str | None, tmp_path: Path
) -> None:
    for name, content in (("f.part", part), ("f", there)):
        if content is not None:
            (tmp_path / name).write_text(content)
    wanted = hashlib.sha256(b"new").hexdigest()
    done = subprocess.run(
        ["sh", "-c", FINISH.script, "sh", wanted, "./f"],
        cwd=tmp_path,
        env={"here": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == (answer, "")
    assert [path.name for path in tmp_path.iterdir()] == (["f"] if left else [])
    assert left is None or (tmp_path / "f").read_text() == left

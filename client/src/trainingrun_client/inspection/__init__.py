"""Looks at data and writes a first run for them: names of files, their first bytes, their lists. No decoding.

The way of a look: `tree` (a folder or a ZIP) -> `recognition`, which asks `lists`, `objects` and `folders` in
turn, with `remarks` -> `found` -> `first_run`: YAML. What is recognised is what docs/data.md says that the
trainer reads; the trainer itself checks it (`data validate`).
"""

from trainingrun_client.inspection.first_run import Answers, first_run
from trainingrun_client.inspection.found import Found
from trainingrun_client.inspection.recognition import inspect

__all__ = ["Answers", "Found", "first_run", "inspect"]

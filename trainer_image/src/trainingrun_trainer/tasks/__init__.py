"""What can be learned: one file a task, each with its `TASK`. All else is common to all tasks."""

from importlib import import_module
from typing import cast

from trainingrun_api.training import TaskName
from trainingrun_trainer.tasks.module import Task


def task(name: TaskName) -> Task:
    """The parts of a task. Imported when asked for: a task's libraries take seconds to import, and a run
    needs those of one."""
    return cast(Task, import_module(f"{__package__}.{name.replace('-', '_')}").TASK)

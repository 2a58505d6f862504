"""TensorBoard's event files below logs/: all scores and the learning rate of each epoch, while it trains.

Each attempt writes a file of its own and first says from which epoch on it goes, so that TensorBoard hides
what an earlier attempt wrote of later epochs. tensorboard's `RecordWriter` makes the records; `SummaryWriter`
would write them from a thread, whose error on a full volume comes late and ends it for good.
"""

import io
import os
import time
from collections.abc import Mapping

from trainingrun_trainer.artifacts import RunDirectory
from trainingrun_trainer.logs import LOGGER

LEARNING_RATE = "learning_rate"
SPLITS = ("train", "val", "test")


class TensorBoardLog:
    """The event file of one attempt, made with the first epoch that it writes."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._first_epoch = 1
        self._path = directory.log_file.parent / (
            f"events.out.tfevents.{int(time.time()):010}.{directory.run_id}.{directory.attempt}"
        )

    def go_on_after(self, epochs: int) -> None:
        """Hide what an earlier attempt wrote beyond so many epochs."""
        self._first_epoch = epochs + 1

    def write(self, epoch: int, values: Mapping[str, object]) -> None:
        """Append the scores and the learning rate among the values of an epoch. A volume that cannot be
        written costs only these.

        Raises:
            Fenced: a later attempt has begun.
        """
        self._directory.fence.check()
        scalars = {tag(name): value for name, value in values.items() if is_scalar(name, value)}
        try:
            self._append(epoch, scalars)
        except OSError as error:
            LOGGER.warning("TensorBoard's events of epoch %d could not be written: %s", epoch, error)

    def _append(self, epoch: int, scalars: Mapping[str, object]) -> None:
        # half a second, and only rank 0 needs them
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        now = time.time()
        records = io.BytesIO()
        writer = RecordWriter(records)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            whole = file.tell()
            if whole == 0:
                start = SessionLog(status=SessionLog.START)
                writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
                begin = Event(wall_time=now, step=self._first_epoch, session_log=start)
                writer.write(begin.SerializeToString())
            summary = Summary(
                value=[Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
            )
            writer.write(Event(wall_time=now, step=epoch, summary=summary).SerializeToString())
            try:
                content = records.getvalue()
                if file.write(content) < len(content):
                    raise OSError("the volume took only a part")
                os.fsync(file.fileno())
            except OSError:
                # a record that is cut off hides all that follow it
                file.truncate(whole)
                raise


def is_scalar(name: str, value: object) -> bool:
    """Whether TensorBoard shows a value of metrics.json: scores and the learning rate."""
    scored = name == LEARNING_RATE or name.partition("_")[0] in SPLITS
    return scored and isinstance(value, int | float)


def tag(name: str) -> str:
    """val_accuracy -> val/accuracy: TensorBoard groups by what stands before the slash."""
    split, separator, rest = name.partition("_")
    return f"{split}/{rest}" if separator and split in SPLITS else name

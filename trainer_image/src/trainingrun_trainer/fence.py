"""Keeps a late writer out of the run directory once the next attempt has begun.

Pods on a node that nobody can reach may live on. Each attempt leaves its number in the directory before it
reads anything there; whoever finds a higher one than its own ends and touches nothing.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from trainingrun_trainer.atomic import atomic_file, hard_link
from trainingrun_trainer.errors import Fenced

FENCE = "attempt.json"


@dataclass(frozen=True)
class Fence:
    """The number of the attempt that may write, and of this one."""

    path: Path
    attempt: int

    def claim(self) -> None:
        """Let only this attempt and later ones write from now on.

        Raises:
            Fenced: a later one has claimed already.
        """
        self.check()
        with self.file(self.path) as file:
            file.write(json.dumps({"attempt": self.attempt}).encode() + b"\n")

    def check(self) -> None:
        """Ask right before each write.

        Raises:
            Fenced: a later attempt has begun.
        """
        try:
            current = json.loads(self.path.read_bytes())["attempt"]
        except FileNotFoundError:
            return
        if current > self.attempt:
            raise Fenced(
                f"attempt {current} has begun, and this is attempt {self.attempt}",
                "Nothing is to be done: the later attempt goes on from the newest checkpoint.",
            )

    @contextmanager
    def file(self, path: Path, make_way: Callable[[], None] | None = None) -> Iterator[IO[bytes]]:
        """A file that takes its place whole, and only while this attempt may write.

        Args:
            path: where it belongs.
            make_way: called right before it takes its place.

        Raises:
            Fenced: a later attempt has begun.
        """

        def before_rename() -> None:
            self.check()
            if make_way:
                make_way()

        try:
            with atomic_file(path, before_rename) as file:
                yield file
        except FileNotFoundError:
            self.check()  # the later attempt has cleared the temporary file away
            raise

    def link(self, source: Path, path: Path, make_way: Callable[[], None]) -> bool:
        """A second place for a whole file, like `file` and `atomic.hard_link`."""

        def before_rename() -> None:
            self.check()
            make_way()

        try:
            return hard_link(source, path, before_rename)
        except FileNotFoundError:
            self.check()
            raise

"""What a transfer tells while it goes on, so that a terminal may show it."""

from typing import Protocol


class Progress(Protocol):
    """Told from the caller's thread."""

    def say(self, text: str) -> None:
        """Something worth knowing: what is waited for, what is skipped, a lost connection."""

    def begin(self, files: int, size: int) -> None:
        """So many files and bytes are to come."""

    def advance(self, size: int) -> None:
        """So many bytes more; less than 0 where some must come again."""

    def done(self, path: str, size: int, *, skipped: bool) -> None:
        """A file is there by its checksum; `skipped`, because it was before."""


class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None:
        """Nothing."""

    def begin(self, files: int, size: int) -> None:
        """Nothing."""

    def advance(self, size: int) -> None:
        """Nothing."""

    def done(self, path: str, size: int, *, skipped: bool) -> None:
        """Nothing."""

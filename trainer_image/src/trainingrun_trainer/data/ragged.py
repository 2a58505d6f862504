"""Arrays of different lengths, one after the other in a file that every process of the node can map."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ragged:
    """One-dimensional arrays of one type, read when indexed."""

    path: Path
    dtype: np.dtype[Any]
    offsets: npt.NDArray[np.int64]
    """Where each array begins, and where the last one ends; in values, not in bytes."""

    @cached_property
    def _values(self) -> npt.NDArray[Any]:
        if self.offsets[-1] == 0:  # nothing, which cannot be mapped
            return np.empty(0, self.dtype)
        return np.memmap(self.path, self.dtype, mode="r")

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in ("path", "dtype", "offsets")}

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        """A copy of one array."""
        return np.array(self._values[self.offsets[index] : self.offsets[index + 1]])


class RaggedWriter:
    """Writes such a file, array by array."""

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb")
        self._lengths: list[int] = []

    def __enter__(self) -> "RaggedWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, values: npt.ArrayLike) -> None:
        """Add an array, flat."""
        array = np.ascontiguousarray(values, dtype=self._dtype)
        self._file.write(array.tobytes())
        self._lengths.append(array.size)

    def finish(self) -> Ragged:
        """What was written, ready to be read."""
        self._file.close()
        return Ragged(
            self._path, self._dtype, np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64)
        )

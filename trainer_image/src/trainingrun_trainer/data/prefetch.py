"""One batch ahead on the device: while a step computes, the next batch is on its way.

Stands between torch's loader, which leaves batches in pinned memory, and Lightning, which would copy each in
line with the kernels of the steps: the GPU would copy, then compute. Here copies go through a stream of their
own. Nothing else changes: which batches come is the sampler's choice, and how far training came is counted in
steps, so that a batch that was ahead when training stopped is read again.

A CPU has no streams: torch's stand-ins for them do nothing there, and batches come in the same way.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric.utilities import move_data_to_device
from lightning_utilities.core.apply_func import apply_to_collection
from torch.utils.data import DataLoader

AHEAD = 1
"""Batches on their way while another is used. One hides the copy; each more takes as much memory again."""


class PrefetchingLoader(DataLoader[Any]):
    """torch's loader, whose batches arrive on a device before they are asked for."""

    def __init__(self, *arguments: Any, device: torch.device, **options: Any) -> None:
        """Args: device: that this process computes on; torch's current one where it is a GPU."""
        super().__init__(*arguments, **options)
        self._device = device

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch promises its own kind of iterator
        return ahead(super().__iter__(), self._device)


def ahead(batches: Iterator[Any], device: torch.device) -> Iterator[Any]:
    """The same batches on a device, each asked for once the one before is handed out."""
    copies = _Copies(device)
    under_way: deque[tuple[Any, Any]] = deque()
    for batch in batches:
        under_way.append(copies.begin(batch))
        if len(under_way) > AHEAD:
            yield copies.end(*under_way.popleft())
    while under_way:
        yield copies.end(*under_way.popleft())


class _Copies:
    """Copies to a device beside what it computes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._streams: Any = torch.get_device_module(device)
        self._stream = self._streams.Stream()

    def begin(self, batch: Any) -> tuple[Any, Any]:
        """A copy that is on its way, and the event of its arrival."""
        with self._streams.stream(self._stream):
            return move_data_to_device(batch, self._device), self._stream.record_event()

    def end(self, batch: Any, arrival: Any) -> Any:
        """Let what computes from now on wait for the copy."""
        current = self._streams.current_stream()
        current.wait_event(arrival)
        if self._device.type != "cpu":
            # it lies in memory of the other stream, which must not be used again before this one is done
            apply_to_collection(batch, torch.Tensor, lambda tensor: tensor.record_stream(current))
        return batch

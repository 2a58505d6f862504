"""The next batch is on its way while one is used; batches and their order are those of torch's loader."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch.utils.data import DataLoader

from trainingrun_trainer.data.prefetch import PrefetchingLoader, ahead

CPU = torch.device("cpu")


class Batch(NamedTuple):
    number: "Copied"
    pixels: torch.Tensor


class Copied:
    """Says when it is copied."""

    def __init__(self, number: int, log: list[str]) -> None:
        self.number = number
        self._log = log

    def to(self, device: torch.device) -> "Copied":
        self._log.append(f"copy {self.number}")
        return self


class Stream:
    """Counts its events."""

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self._events = 0

    def record_event(self) -> int:
        self._events += 1
        return self._events - 1

    def wait_event(self, event: int) -> None:
        self._log.append(f"wait for {event}")


class Streams:
    """Stands for torch.cuda."""

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self._current = Stream(log)
        self.Stream = partial(Stream, log)

    def current_stream(self) -> Stream:
        return self._current

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        assert stream is not self._current
        self._log.append("beside:")
        yield
        self._log.append(".")


def test_copies_run_beside_the_steps_and_each_step_waits_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    streams = Streams(log)
    monkeypatch.setattr(torch, "get_device_module", lambda device: streams)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: log.append("keep"))

    def batches() -> Iterator[Batch]:
        for number in range(3):
            log.append(f"read {number}")
            yield Batch(Copied(number, log), torch.zeros(1))

    for batch in ahead(batches(), torch.device("meta")):
        assert batch.pixels.device.type == "meta"
        log.append(f"step {batch.number.number}")

    assert " ".join(log) == (
        "read 0 beside: copy 0 . "
        "read 1 beside: copy 1 . wait for 0 keep step 0 "
        "read 2 beside: copy 2 . wait for 1 keep step 1 "
        "wait for 2 keep step 2"
    )


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_same_batches_come_in_the_same_order(count: int) -> None:
    batches = [[torch.tensor(number)] for number in range(count)]
    assert list(ahead(iter(batches), CPU)) == batches


@pytest.mark.parametrize("workers", [0, 1])
def test_epochs_are_those_of_torchs_loader(workers: int) -> None:
    options: dict[str, Any] = {"batch_sampler": [[3, 1], [0, 2], [4]], "num_workers": workers}
    data: Any = torch.arange(5)
    loader, plain = PrefetchingLoader(data, device=CPU, **options), DataLoader(data, **options)
    assert len(loader) == len(plain) == 3
    for _ in range(2):
        assert [batch.tolist() for batch in loader] == [batch.tolist() for batch in plain]


@pytest.mark.gpu
def test_a_batch_on_a_gpu_is_whole_when_a_step_reads_it() -> None:
    """Large enough for a copy to take longer than what comes after it."""
    count = 20
    batches = (torch.full((1 << 26,), number, dtype=torch.uint8).pin_memory() for number in range(count))
    extremes = [torch.stack(torch.aminmax(batch)) for batch in ahead(batches, torch.device("cuda", 0))]
    assert torch.stack(extremes).tolist() == [[number, number] for number in range(count)]

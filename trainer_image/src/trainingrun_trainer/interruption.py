"""SIGTERM: outside of training it ends the process at once, in training after a checkpoint of all ranks.

Lightning's own handler broadcasts inside the signal handler, which deadlocks when the signal reaches only
some ranks (https://github.com/Lightning-AI/pytorch-lightning/issues/20806). So it is taken out, and in
training the ranks vote each step (keeper.py).
"""

import os
import signal
from collections.abc import Callable
from threading import Thread
from types import FrameType

import pytorch_lightning as pl

from trainingrun_trainer.errors import STOPPED_ADVICE, Interrupted


class StopSignal:
    """Whether this process was told to stop."""

    def __init__(self) -> None:
        self.received = False
        self.deferred = False
        """Whether the ranks vote, so that the signal is only noted."""

    def install(self, *, deferred: bool) -> None:
        """Handle SIGTERM from now on: at once, or when the ranks vote. Until then its default action ends the
        process, and the launcher says so."""
        self.deferred = deferred
        signal.signal(signal.SIGTERM, self._handle)

    def heed(self) -> None:
        """Stop at once from now on, or now if the signal came while it was only noted.

        Raises:
            Interrupted: it did.
        """
        self.deferred = False
        if self.received:
            raise Interrupted("stopped by SIGTERM", STOPPED_ADVICE)

    def heeded(self, work: Callable[[], None]) -> Callable[[], None]:
        """Work during which the signal is heeded at once, while it is only noted before and after."""

        def run() -> None:
            try:
                self.heed()
                work()
            finally:
                self.deferred = True

        return run

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if not self.deferred:
            raise Interrupted("stopped by SIGTERM", STOPPED_ADVICE)


def shield_loader(worker: int) -> None:
    """Let a loader process live until its rank has saved: torchrun sends SIGTERM to a rank with all its
    children. Only the rank's own ends it."""

    def leave_with_the_rank() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    Thread(target=leave_with_the_rank, daemon=True).start()


def take_over(trainer: pl.Trainer) -> None:
    """Keep Lightning from handling SIGTERM itself. Both names are private: a test watches them."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

"""A volume that may come back is waited for, and nothing else."""

import errno
from collections.abc import Callable

import pytest

from trainingrun_trainer.patience import patiently


def failing(times: int, code: int) -> Callable[[], str]:
    errors = [OSError(code, "no")] * times

    def write() -> str:
        if errors:
            raise errors.pop()
        return "written"

    return write


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_it_is_tried_until_it_succeeds(code: int) -> None:
    waits: list[int] = []
    assert patiently(failing(3, code), lambda: waits.append(1), pause=0) == "written"
    assert len(waits) == 3


@pytest.mark.parametrize(("code", "seconds"), [(errno.EACCES, 600.0), (errno.ENOSPC, -1.0)])
def test_it_fails_at_once_where_waiting_is_of_no_use_or_at_the_end(code: int, seconds: float) -> None:
    waits: list[int] = []
    with pytest.raises(OSError, match="no"):
        patiently(failing(1, code), lambda: waits.append(1), seconds=seconds, pause=0)
    assert not waits


def test_waiting_may_be_broken_off() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        patiently(failing(1, errno.ENOSPC), stop, pause=0)

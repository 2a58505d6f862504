"""An operator whose election ends unexpectedly must end too: it would be healthy and do nothing."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from trainingrun_operator.leadership import Leadership


class Garbage:
    """Stands for an API server, or somebody between, that answers with no Lease at all."""

    def get(self, *_: Any) -> dict[str, Any]:
        return {"kind": "Lease"}


def test_an_answer_that_is_no_lease_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    elected, lost = threading.Event(), threading.Event()
    server: Any = Garbage()
    candidate = Leadership(server, "a", "b", "me", lambda: 0.0, lambda: datetime(2026, 1, 1, tzinfo=UTC))
    candidate.start(elected.set, lost.set)
    assert lost.wait(10)
    assert not elected.is_set()
    assert "the election ended" in caplog.text
    candidate.end()

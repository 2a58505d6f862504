"""What of the news of runs is put on the work queue."""

import asyncio

import pytest
from kubernetes.client import ApiClient, Configuration
from prometheus_client import CollectorRegistry

from tests.unit.operator.builders import NAME, NAMESPACE, NOW, raw_run
from trainingrun_operator.controller import Controller
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import Key, run_from
from trainingrun_operator.reconciler import Reconciler
from trainingrun_operator.settings import Settings

KEY = (NAMESPACE, NAME)


def told(*, gone: bool) -> tuple[Key | None, bool]:
    """The key that an event of a run puts on the queue, and whether the run is known afterwards."""

    async def hear() -> tuple[Key | None, bool]:
        informer = Informer()
        controller = Controller(Settings(trainer_image="x"), informer, CollectorRegistry(), lambda: NOW)
        controller.seen(run_from(raw_run()), gone=gone)
        try:
            return controller.queue.take(), informer.view(KEY) is not None
        finally:
            controller.stop()

    return asyncio.run(hear())


@pytest.mark.parametrize(
    ("rests", "gone", "expected"),
    [(False, False, (KEY, True)), (True, False, (None, True)), (True, True, (KEY, False))],
)
def test_an_event_of_a_run_is_looked_at_unless_it_rests(
    rests: bool, gone: bool, expected: tuple[Key | None, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = ApiClient(Configuration(host="http://127.0.0.1:1"))
    monkeypatch.setattr("trainingrun_operator.controller.connect", lambda connections: nobody)
    monkeypatch.setattr(Reconciler, "rests", lambda self, run: rests)
    assert told(gone=gone) == expected

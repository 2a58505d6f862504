"""A wall clock that is set back holds nothing up."""

from datetime import timedelta

from tests.unit.operator.builders import COMMAND, NOW, TRAINER_IMAGE, raw_job, raw_pod, started
from tests.unit.operator.memory_cluster import cluster_with_run
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.reconciler import Reconciler
from trainingrun_operator.scrape import Scrape


def test_live_numbers_are_written_on_when_the_clock_is_set_back() -> None:
    clock = [NOW]
    cluster = cluster_with_run(COMMAND, started().to_wire())
    for child in (raw_job(), raw_pod()):
        cluster.put(child)
    operator = Reconciler(cluster, TRAINER_IMAGE, 10, lambda: clock[0], "test", lambda pods: Pulse())
    written: list[bool] = []
    for seconds in (0, 20, -3600, 5, 5):
        clock[0] += timedelta(seconds=seconds)
        scrape = Scrape(at=clock[0], epoch=len(written), epochs_planned=100)
        before = len(cluster.statuses)
        operator.reconcile(cluster.view(), scrape)
        written.append(len(cluster.statuses) > before)
    assert written == [True, True, True, False, True]

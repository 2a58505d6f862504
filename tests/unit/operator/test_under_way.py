"""What a run whose pods run says about them, and when it began."""

from dataclasses import replace

import pytest

from tests.unit.operator.builders import (
    COMMAND,
    NOW,
    at,
    dead_pod,
    raw_job,
    raw_pod,
    situation,
    status_after,
    waiting_pod,
)
from trainingrun_api.reasons import Phase
from trainingrun_operator.decide import decide
from trainingrun_operator.scrape import Scrape

PAIR = {**COMMAND, "nodes": 2}
ONCE = {"restart": {"maxFailures": 0}}
"""A run that gets one attempt."""


class TestUnderWay:
    def test_running_begins_when_all_pods_run(self) -> None:
        one = status_after(raw_job(), raw_pod(0), waiting_pod(1), spec=PAIR)
        assert (one.phase, one.nodes_ready, one.start_time) == (Phase.PENDING, "1/2", None)
        both = status_after(raw_job(), raw_pod(0), raw_pod(1, node="n2"), spec=PAIR)
        assert (both.phase, both.nodes_ready, both.start_time) == (Phase.RUNNING, "2/2", at(-54))
        assert both.message == "all pods run, on n1, n2"

    def test_a_pod_that_is_done_early_counts_as_ready(self) -> None:
        status = status_after(raw_job(), raw_pod(0), dead_pod(1, code=0), spec=PAIR)
        assert (status.phase, status.nodes_ready) == (Phase.RUNNING, "2/2")

    def test_running_stays_running_while_the_job_is_active(self) -> None:
        running = status_after(raw_job(), raw_pod(0), raw_pod(1), spec=PAIR)
        plan = decide(situation(raw_job(), raw_pod(0), dead_pod(1), spec=PAIR, status=running))
        assert plan.status is not None
        assert (plan.status.phase, plan.status.nodes_ready) == (Phase.RUNNING, "1/2")
        assert plan.status.start_time == running.start_time

    @pytest.mark.parametrize(("exit_code", "phase"), [(143, Phase.PENDING), (None, Phase.COMPLETED)])
    def test_a_failed_pod_is_noted_before_it_vanishes_and_forgotten_where_all_ends_well(
        self, exit_code: int | None, phase: Phase
    ) -> None:
        running = status_after(raw_job(), raw_pod(0), raw_pod(1), spec=PAIR)
        noted = decide(situation(raw_job(), raw_pod(0), dead_pod(1, 143), spec=PAIR, status=running)).status
        assert noted is not None
        assert (noted.phase, noted.last_failure and noted.last_failure.index) == (Phase.RUNNING, 1)
        job = raw_job("Failed" if exit_code else "Complete")
        ended = decide(situation(job, dead_pod(0, 0), spec={**PAIR, **ONCE}, status=noted)).status
        assert ended is not None
        assert (ended.phase, ended.last_failure and ended.last_failure.exit_code) == (phase, exit_code)

    def test_live_numbers_are_taken_over(self) -> None:
        running = status_after(raw_job(), raw_pod())
        scrape = Scrape(at=NOW, epoch=12, epochs_planned=50, seconds_per_epoch=2.0)
        plan = decide(replace(situation(raw_job(), raw_pod(), status=running), scrape=scrape))
        assert plan.status is not None
        assert plan.status.columns is not None
        assert plan.status.columns.to_wire() == {"epoch": "12/50", "progress": "24%", "eta": "1m16s"}

    def test_nothing_new_changes_nothing(self) -> None:
        running = status_after(raw_job(), raw_pod())
        assert decide(situation(raw_job(), raw_pod(), status=running)).status == running

"""What the informer shows beside the indices: pods that are gone."""

import pytest

from tests.unit.operator.builders import at, dead_pod, raw_pod, raw_run, run
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import Pod, pod_from, run_from
from trainingrun_operator.store import Store
from trainingrun_operator.times import to_timestamp

RUN = run()
KEY = RUN.key


def shown(informer: Informer) -> list[Pod]:
    view = informer.view(KEY)
    assert view is not None
    return sorted(view.pods, key=lambda pod: pod.name)


def test_a_pod_that_is_gone_can_run_no_more() -> None:
    informer = Informer(runs=Store({KEY: [RUN]}))
    informer.heard(KEY, pod_from(raw_pod()), gone=True)
    [pod] = shown(informer)
    assert (pod.alive, pod.runs) == (False, False)


def test_how_it_ended_stays_known() -> None:
    informer = Informer(runs=Store({KEY: [RUN]}))
    informer.heard(KEY, pod_from(dead_pod(code=0)), gone=True)
    [pod] = shown(informer)
    assert (pod.phase, pod.exit and pod.exit.code) == ("Succeeded", 0)


def test_pods_of_an_attempt_are_remembered_until_those_of_a_later_one_go() -> None:
    informer = Informer(runs=Store({KEY: [RUN]}))
    for attempt, index in ((1, 0), (2, 0), (1, 1), (2, 1)):
        informer.heard(KEY, pod_from(raw_pod(index, attempt=attempt)), gone=True)
    assert [(pod.attempt, pod.index) for pod in shown(informer)] == [(2, 0), (2, 1)]


def test_pods_of_an_earlier_run_of_that_name_are_forgotten() -> None:
    informer = Informer(runs=Store({KEY: [RUN]}))
    informer.heard(KEY, pod_from(raw_pod(attempt=9, run_uid="earlier")), gone=True)
    informer.heard(KEY, pod_from(raw_pod()), gone=True)
    assert [pod.attempt for pod in shown(informer)] == [1]


def test_what_the_index_holds_is_newer() -> None:
    pod = pod_from(raw_pod())
    informer = Informer(runs=Store({KEY: [RUN]}), pods=Store({KEY: [pod]}))
    informer.heard(KEY, pod, gone=True)
    assert shown(informer) == [pod]


def test_nothing_is_remembered_of_a_run_that_is_gone() -> None:
    informer = Informer()
    informer.heard(KEY, pod_from(raw_pod()), gone=True)
    assert informer.view(KEY) is None
    assert informer.gone == {}


@pytest.mark.parametrize("gone", [True, False])
def test_the_time_of_a_deletion_is_that_of_the_first_request(gone: bool) -> None:
    """When its node reports the end of a pod, its deletion is dated anew, with a grace of 0."""
    asked = raw_pod(meta={"deletionTimestamp": at(10), "deletionGracePeriodSeconds": 30})
    last = pod_from(dead_pod(ended=-15, meta={"deletionTimestamp": at(-14), "deletionGracePeriodSeconds": 0}))
    informer = Informer(runs=Store({KEY: [RUN]}), pods=Store({KEY: [] if gone else [last]}))
    informer.heard(KEY, pod_from(asked), gone=False)
    informer.heard(KEY, last, gone=gone)
    [pod] = shown(informer)
    assert pod.deletion is not None
    assert (to_timestamp(pod.deletion.requested_at), to_timestamp(pod.deletion.due_at)) == (at(-20), at(-14))
    informer.pods = Store()
    informer.bury(())
    assert informer.leaving == {}


def test_an_ended_run_is_shown_as_it_was() -> None:
    over = run_from(raw_run(status={"phase": "Completed", "attempt": 1, "conditions": [{"type": "Failed"}]}))
    informer = Informer()
    informer.seen(RUN, gone=False)
    informer.seen(over, gone=False)
    view = informer.view(KEY)
    assert view is not None
    assert view.run == over
    assert informer.versions() == {over.uid: over.resource_version}
    informer.seen(over, gone=True)
    assert informer.view(KEY) is None

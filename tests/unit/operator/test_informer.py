"""What the informer shows beside the indices: pods that are gone."""

from tests.unit.operator.builders import dead_pod, raw_pod, run
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import Pod, pod_from

RUN = run()
KEY = RUN.key


def shown(informer: Informer) -> list[Pod]:
    view = informer.view(KEY)
    assert view is not None
    return sorted(view.pods, key=lambda pod: pod.name)


def test_a_pod_that_is_gone_can_run_no_more() -> None:
    informer = Informer(runs={KEY: [RUN]})
    informer.departed(KEY, pod_from(raw_pod()))
    [pod] = shown(informer)
    assert (pod.alive, pod.runs) == (False, False)


def test_how_it_ended_stays_known() -> None:
    informer = Informer(runs={KEY: [RUN]})
    informer.departed(KEY, pod_from(dead_pod(code=0)))
    [pod] = shown(informer)
    assert (pod.phase, pod.exit and pod.exit.code) == ("Succeeded", 0)


def test_pods_of_an_attempt_are_remembered_until_those_of_a_later_one_go() -> None:
    informer = Informer(runs={KEY: [RUN]})
    for attempt, index in ((1, 0), (2, 0), (1, 1), (2, 1)):
        informer.departed(KEY, pod_from(raw_pod(index, attempt=attempt)))
    assert [(pod.attempt, pod.index) for pod in shown(informer)] == [(2, 0), (2, 1)]


def test_pods_of_an_earlier_run_of_that_name_are_forgotten() -> None:
    informer = Informer(runs={KEY: [RUN]})
    informer.departed(KEY, pod_from(raw_pod(attempt=9, run_uid="earlier")))
    informer.departed(KEY, pod_from(raw_pod()))
    assert [pod.attempt for pod in shown(informer)] == [1]


def test_what_the_index_holds_is_newer() -> None:
    pod = pod_from(raw_pod())
    informer = Informer(runs={KEY: [RUN]}, pods={KEY: [pod]})
    informer.departed(KEY, pod)
    assert shown(informer) == [pod]


def test_nothing_is_remembered_of_a_run_that_is_gone() -> None:
    informer = Informer()
    informer.departed(KEY, pod_from(raw_pod()))
    assert informer.view(KEY) is None
    assert informer.gone == {}

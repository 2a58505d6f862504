"""Whatever goes wrong between the operator and the API server, a run ends as if nothing had.

Each case plays the same run once more and compares end state and objects created and deleted with those of
the undisturbed run.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from tests.cluster.api import Cluster
from tests.helpers.fault_proxy import (
    EXPIRED,
    Break,
    Call,
    Delay,
    Fault,
    FaultProxy,
    Object,
    Refuse,
    Rule,
    Stale,
    Tamper,
)
from tests.helpers.operator_process import Operator
from tests.helpers.played_nodes import Api
from tests.integration.operator.stage import Disturbance, Played, Stage, Story, undisturbed

pytestmark = pytest.mark.cluster

LANES = 4
"""Cases that are played at the same time, each on a stage of its own."""

STORIES = {
    "failure": Story(deeds=(1, 0)),
    "suspension": Story(deeds=("suspend", 0)),
}


@pytest.fixture(scope="module")
def stages(definition: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Stage]]:
    """As many as there are lanes."""
    namespaces = [f"faults-{uuid.uuid4().hex[:6]}" for _ in range(LANES)]
    with FaultProxy(definition.kubeconfig) as door:
        for namespace in namespaces:
            definition.kubectl("create", "namespace", namespace)
        yield [
            Stage(Api(door.url, namespace), definition.kubeconfig, tmp_path_factory.mktemp(namespace))
            for namespace in namespaces
        ]
    definition.kubectl("delete", "namespace", *namespaces, "--wait=false")


def play_all(
    stages: list[Stage], story: Story, cases: Mapping[str, Disturbance], operators: int = 1
) -> dict[str, Played]:
    """Plays each case; the name of a case is the name of its run.

    Raises an ExceptionGroup of all failures.
    """
    free: SimpleQueue[Stage] = SimpleQueue()
    for stage in stages:
        free.put(stage)

    def play(name: str) -> Played:
        stage = free.get()
        try:
            return stage.play(name, story, cases[name], operators)
        finally:
            free.put(stage)

    with ThreadPoolExecutor(len(stages)) as lanes:
        playing = {name: lanes.submit(play, name) for name in cases}
    errors = [error for future in playing.values() if isinstance(error := future.exception(), Exception)]
    if errors:
        raise ExceptionGroup(f"{len(errors)} of {len(cases)} cases", errors)
    return {name: future.result() for name, future in playing.items()}


@pytest.fixture(scope="module")
def reference(stages: list[Stage]) -> Callable[[str], Played]:
    """A story without any disturbance, played once."""
    known: dict[str, Played] = {}

    def play(story: str) -> Played:
        if story not in known:
            known[story] = played = stages[0].play(f"{story}-undisturbed", STORIES[story])
            status = played.ending.status
            assert (status["phase"], status["attempt"]) == ("Completed", len(STORIES[story].deeds))
            print(json.dumps(status, indent=1), played.ending.deleted)
        return known[story]

    return play


def two_deaths(write: int) -> Disturbance:
    """The operator dies before a write takes effect, and, when the next one does it again, right after."""

    def disturb(operator: Operator) -> Rule:
        target: tuple[str, str] | None = None

        def rule(call: Call) -> Fault | None:
            nonlocal target
            if call.write == write:
                target = call.method, call.resource
                return Break(committed=False, meanwhile=operator.kill)
            if target == (call.method, call.resource):
                target = None
                return Break(committed=True, meanwhile=operator.kill)
            return None

        return rule

    return disturb


@pytest.mark.parametrize("story", STORIES)
def test_the_operator_may_die_at_every_write(
    stages: list[Stage], reference: Callable[[str], Played], story: str
) -> None:
    expected = reference(story)
    for done in expected.writes:
        print(done.call.write, done.call.method, done.call.resource, done.call.name)
    writes = len(expected.writes)
    cases = {f"{story}-death-{write}": two_deaths(write) for write in range(1, writes + 1)}
    played = play_all(stages, STORIES[story], cases)
    for name, case in played.items():
        assert case.ending == expected.ending, name
    # The last event is not told again; and now and then a deletion is asked for once less.
    assert sum(case.starts - 1 for case in played.values()) >= 2 * writes - 4


def bad_weather(seed: int) -> Disturbance:
    """Many requests are refused, delayed or cut off, watches repeat themselves and break off."""

    def disturb(operator: Operator) -> Rule:
        dice = random.Random(seed)

        def watched(event: Object) -> Iterable[Object]:
            return dice.choices(([event], [event, event], [event, EXPIRED]), (6, 2, 1))[0]

        def rule(call: Call) -> Fault | None:
            if call.is_watch:
                return Tamper(watched)
            if dice.random() > 0.25:
                return None
            faults: list[Fault] = [Refuse(429, retry_after=1), Refuse(503), Delay(dice.uniform(0, 2))]
            faults += [Break(committed=False), Break(committed=True)]
            # On a deletion it would say that the object is another one by now.
            faults += [Refuse(409)] if call.write and call.method != "DELETE" else []
            # What the operator asks for itself it trusts, as Kubernetes promises.
            faults += [Stale()] if call.is_list and not call.agent.startswith("trainingrun") else []
            return dice.choice(faults)

        return rule

    return disturb


@pytest.mark.parametrize("story", STORIES)
def test_bad_weather_changes_nothing(
    stages: list[Stage], reference: Callable[[str], Played], story: str
) -> None:
    cases = {f"{story}-weather-{seed}": bad_weather(seed) for seed in range(LANES)}
    for name, played in play_all(stages, STORIES[story], cases).items():
        assert played.ending == reference(story).ending, name


def deaf_to(resource: str, news: Callable[[Object], bool]) -> Disturbance:
    """The watch of the first operator never brings some of the events."""

    def disturb(operator: Operator) -> Rule:
        def watched(event: Object) -> Iterable[Object]:
            return [] if operator.starts == 1 and news(event) else [event]

        return lambda call: Tamper(watched) if call.is_watch and call.resource == resource else None

    return disturb


def job_is_over(event: Object) -> bool:
    conditions = event["object"]["status"].get("conditions", ())
    return any((c["type"], c["status"]) == ("Failed", "True") for c in conditions)


LOST_NEWS = {
    "run-suspended": (
        "suspension",
        deaf_to("trainingruns", lambda event: event["object"]["spec"]["suspend"]),
        2,
    ),
    "job-failed": ("failure", deaf_to("jobs", job_is_over), 2),
    "pods-deleted": ("suspension", deaf_to("pods", lambda event: event["type"] == "DELETED"), 1),
    "job-deleted": ("suspension", deaf_to("jobs", lambda event: event["type"] == "DELETED"), 1),
}
"""Story, what never comes, and whether it takes another operator to find out: the probe tells Kubernetes."""


@pytest.mark.parametrize("story", STORIES)
def test_news_that_never_comes_is_made_up_for(
    stages: list[Stage], reference: Callable[[str], Played], story: str
) -> None:
    cases = {name: disturb for name, (of, disturb, _) in LOST_NEWS.items() if of == story}
    for name, played in play_all(stages, STORIES[story], cases).items():
        assert played.ending == reference(story).ending, name
        assert played.starts == LOST_NEWS[name][2], name


@pytest.mark.parametrize("story", STORIES)
def test_two_operators_do_the_work_of_one(
    stages: list[Stage], reference: Callable[[str], Played], story: str
) -> None:
    cases = {f"{story}-twins-{number}": undisturbed for number in range(LANES)}
    for name, played in play_all(stages, STORIES[story], cases, operators=2).items():
        assert played.ending == reference(story).ending, name


def outage(seconds: float) -> Disturbance:
    """From the record of the first attempt on, the API server is away for a while."""

    def disturb(operator: Operator) -> Rule:
        ends: float | None = None

        def rule(call: Call) -> Fault | None:
            nonlocal ends
            if ends is None and call.resource == "trainingruns/status":
                ends = time.monotonic() + seconds
            away = ends is not None and time.monotonic() < ends
            return Break(committed=False) if away else None

        return rule

    return disturb


def test_an_outage_does_not_end_the_operator(stages: list[Stage], reference: Callable[[str], Played]) -> None:
    played = play_all(stages, STORIES["failure"], {"outage": outage(seconds=15)})["outage"]
    assert played.ending == reference("failure").ending
    assert played.starts == 1

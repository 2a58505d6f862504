"""Whatever goes wrong between the operator and the API server, a run ends as if nothing had.

Each case plays the same run once more and compares end state and objects created and deleted with those of
the undisturbed run.
"""

import itertools
import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Act:
    """Cases of one story that are judged together."""

    story: str
    cases: Callable[[str, int], Mapping[str, Disturbance]]
    """Given the story and the number of writes that it takes when nothing disturbs it."""
    operators: int = 1


def acts(cases: Callable[[str, int], Mapping[str, Disturbance]], operators: int = 1) -> list[Act]:
    """The same with every story."""
    return [Act(story, cases, operators) for story in STORIES]


class Theatre:
    """Plays cases, each on a stage of its own, and begins before they are asked for.

    Many of them mostly wait: played beside others, they take no time of their own.
    """

    def __init__(self, stages: Iterable[Stage], lanes: ThreadPoolExecutor) -> None:
        """As many lanes as stages."""
        self._lanes = lanes
        self._free: SimpleQueue[Stage] = SimpleQueue()
        for stage in stages:
            self._free.put(stage)
        self._numbers = itertools.count(1)
        self._references: dict[str, Future[Played]] = {}
        self._ahead: dict[Act, dict[str, Future[Played]]] = {}

    def begin(self, acts: Sequence[Act]) -> None:
        """Has them played in this order; the stories without any disturbance first."""
        for act in acts:
            self._reference(act.story)
        for act in acts:
            self._ahead[act] = self._start(act)

    def reference(self, story: str) -> Played:
        """The story without any disturbance, played once."""
        return self._reference(story).result()

    def play(self, act: Act) -> dict[str, Played]:
        """Each case by its name; anew where the act was asked for before.

        Raises an ExceptionGroup of all failures.
        """
        playing = self._ahead.pop(act, None) or self._start(act)
        errors = [error for future in playing.values() if isinstance(error := future.exception(), Exception)]
        if errors:
            raise ExceptionGroup(f"{len(errors)} of {len(playing)} cases", errors)
        return {name: future.result() for name, future in playing.items()}

    def _reference(self, story: str) -> Future[Played]:
        if story not in self._references:
            self._references[story] = self._submit(f"{story}-undisturbed", story, undisturbed, operators=1)
        return self._references[story]

    def _start(self, act: Act) -> dict[str, Future[Played]]:
        writes = len(self.reference(act.story).writes)
        return {
            name: self._submit(name, act.story, disturbance, act.operators)
            for name, disturbance in act.cases(act.story, writes).items()
        }

    def _submit(self, case: str, story: str, disturb: Disturbance, operators: int) -> Future[Played]:
        run = f"{case}-{next(self._numbers)}"  # a second try may find the stage of the first one

        def play() -> Played:
            stage = self._free.get()
            try:
                return stage.play(run, STORIES[story], disturb, operators)
            finally:
                self._free.put(stage)

        return self._lanes.submit(play)


@pytest.fixture(scope="module")
def theatre(
    request: pytest.FixtureRequest, definition: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    """Where all acts that the chosen tests judge are being played."""
    namespaces = [f"faults-{uuid.uuid4().hex[:6]}" for _ in range(LANES)]
    lanes = ThreadPoolExecutor(LANES)
    with FaultProxy(definition.kubeconfig) as door:
        for namespace in namespaces:
            definition.kubectl("create", "namespace", namespace)
        stages = [
            Stage(Api(door.url, namespace), definition.kubeconfig, tmp_path_factory.mktemp(namespace))
            for namespace in namespaces
        ]
        theatre = Theatre(stages, lanes)
        chosen = [
            act
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.module is request.module
            if isinstance(act := item.callspec.params["act"], Act)
        ]
        theatre.begin(chosen[::-1])  # the last ones mostly wait
        yield theatre
        lanes.shutdown(cancel_futures=True)
    definition.kubectl("delete", "namespace", *namespaces, "--wait=false")


def assert_as_undisturbed(theatre: Theatre, act: Act) -> dict[str, Played]:
    """Every case ends as the story does without any disturbance; returns the cases."""
    expected, played = theatre.reference(act.story), theatre.play(act)
    status = expected.ending.status
    assert (status["phase"], status["attempt"]) == ("Completed", len(STORIES[act.story].deeds))
    print(json.dumps(status, indent=1), expected.ending.deleted)
    for name, case in played.items():
        assert case.ending.like(expected.ending) == expected.ending, name
    return played


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


def deaths(story: str, writes: int) -> dict[str, Disturbance]:
    return {f"{story}-death-{write}": two_deaths(write) for write in range(1, writes + 1)}


@pytest.mark.parametrize("act", acts(deaths), ids=STORIES)
def test_the_operator_may_die_at_every_write(theatre: Theatre, act: Act) -> None:
    writes = theatre.reference(act.story).writes
    for done in writes:
        print(done.call.write, done.call.method, done.call.resource, done.call.name)
    played = assert_as_undisturbed(theatre, act)
    # The last event is not told again; and now and then a deletion is asked for once less.
    assert sum(case.starts - 1 for case in played.values()) >= 2 * len(writes) - 4


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


def weathers(story: str, writes: int) -> dict[str, Disturbance]:
    return {f"{story}-weather-{seed}": bad_weather(seed) for seed in range(LANES)}


@pytest.mark.parametrize("act", acts(weathers), ids=STORIES)
def test_bad_weather_changes_nothing(theatre: Theatre, act: Act) -> None:
    assert_as_undisturbed(theatre, act)


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


def lost_news(story: str, writes: int) -> dict[str, Disturbance]:
    return {name: disturb for name, (of, disturb, _) in LOST_NEWS.items() if of == story}


@pytest.mark.parametrize("act", acts(lost_news), ids=STORIES)
def test_news_that_never_comes_is_made_up_for(theatre: Theatre, act: Act) -> None:
    for name, played in assert_as_undisturbed(theatre, act).items():
        assert played.starts == LOST_NEWS[name][2], name


def twins(story: str, writes: int) -> dict[str, Disturbance]:
    return {f"{story}-twins-{number}": undisturbed for number in range(LANES)}


@pytest.mark.parametrize("act", acts(twins, operators=2), ids=STORIES)
def test_two_operators_do_the_work_of_one(theatre: Theatre, act: Act) -> None:
    assert_as_undisturbed(theatre, act)


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


def outages(story: str, writes: int) -> dict[str, Disturbance]:
    return {f"{story}-outage": outage(seconds=15)}


@pytest.mark.parametrize("act", [Act("failure", outages)], ids=["failure"])
def test_an_outage_does_not_end_the_operator(theatre: Theatre, act: Act) -> None:
    (played,) = assert_as_undisturbed(theatre, act).values()
    assert played.starts == 1

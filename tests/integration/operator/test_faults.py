"""Whatever goes wrong between the operator and the API server, a run ends as if nothing had.

Each case plays the same run once more and compares end state and objects created and deleted with those of
the undisturbed run.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from tests.cluster.api import Cluster
from tests.helpers.fault_proxy import Break, Call, Fault, FaultProxy, Rule
from tests.helpers.operator_process import Operator
from tests.helpers.played_nodes import Api
from tests.integration.operator.stage import Disturbance, Played, Stage, Story

pytestmark = pytest.mark.cluster

LANES = 4
"""Cases that are played at the same time, each on a stage of its own."""

STORIES = {
    "failure": Story(deeds=(1, 0)),
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


def play_all(stages: list[Stage], story: Story, cases: dict[str, Disturbance]) -> dict[str, Played]:
    """Plays each case; the name of a case is the name of its run.

    Raises an ExceptionGroup of all failures.
    """
    free: SimpleQueue[Stage] = SimpleQueue()
    for stage in stages:
        free.put(stage)

    def play(name: str) -> Played:
        stage = free.get()
        try:
            return stage.play(name, story, cases[name])
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
            known[story] = stages[0].play(f"{story}-undisturbed", STORIES[story])
        return known[story]

    return play


def death_at(write: int, committed: bool) -> Disturbance:
    """The operator dies at a write."""

    def disturb(operator: Operator) -> Rule:
        def rule(call: Call) -> Fault | None:
            return Break(committed, operator.kill) if call.write == write else None

        return rule

    return disturb


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("story", STORIES)
def test_the_operator_may_die_at_every_write(
    stages: list[Stage], reference: Callable[[str], Played], story: str, committed: bool
) -> None:
    expected = reference(story)
    print(
        *(f"{w.call.write} {w.call.method} {w.call.resource} {w.call.name}" for w in expected.writes),
        sep="\n",
    )
    numbers = range(1, len(expected.writes) + 1)
    cases = {f"{story}-{'after' if committed else 'before'}-{k}": death_at(k, committed) for k in numbers}
    for name, played in play_all(stages, STORIES[story], cases).items():
        assert played.ending == expected.ending, name
        assert played.starts == 2, name

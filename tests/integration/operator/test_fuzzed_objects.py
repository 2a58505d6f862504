"""Every property of the definition at its edges, through the real API server, with the operator at work.

The Jobs are held back by a queue that nobody keeps, so no pod is made.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from tests.helpers.operator_process import Operator
from tests.helpers.runs import Runs, manifest
from tests.helpers.server import Object, Server
from tests.integration.api.specs import GOLDEN, defaulted, load
from tests.integration.operator.variations import ABSENT, Spec, Variation, variations
from trainingrun_api import names
from trainingrun_api.crd import custom_resource_definition
from trainingrun_api.spec import TrainingRunSpec

pytestmark = pytest.mark.cluster

PATIENCE = 180.0
CLIENTS = 8
STRICT = "?fieldValidation=Strict"
QUEUE = {"queue": "nobody"}
FIXED = ("cannot change", "but not lowered")
"""How a change of a valid value is refused."""
MOMENTS = ("time", "Time", "Timestamp")


@cache
def schema() -> Mapping[str, Any]:
    """Of spec."""
    version = custom_resource_definition()["spec"]["versions"][0]
    found: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def base(variation: Variation) -> Spec:
    """A valid spec around the property."""
    return _base("lifecycle" if variation.path[0] in ("command", "args") else "training")


def _base(name: str) -> Spec:
    # with the defaults, which the API server wrote: Python's YAML takes 1e-4 for a word
    spec = load(defaulted(GOLDEN / "specs" / f"all-of-{name}.yaml"))
    return {name: value for name, value in spec.items() if name not in ("suspend", "project")} | QUEUE


def named(found: Iterable[Variation]) -> dict[str, Variation]:
    """By the names of their runs."""
    return {f"v{number:04}": variation for number, variation in enumerate(found)}


class Field:
    """The namespace that the variations are tried in."""

    def __init__(self, runs: Runs) -> None:
        self._server = Server(runs.cluster)
        self._runs = f"/apis/{names.API_VERSION}/namespaces/{runs.namespace}/{names.PLURAL}"
        self._jobs = f"/apis/batch/v1/namespaces/{runs.namespace}/jobs"

    def create(self, specs: Mapping[str, Spec]) -> dict[str, str]:
        """What is said against each run that is refused, by name."""
        return self._each(
            specs, lambda name: ("POST", self._runs + STRICT, manifest(name, dict(specs[name])))
        )

    def change(self, specs: Mapping[str, Spec]) -> dict[str, str]:
        """The same, for new specs of runs that exist."""
        found = self.runs()

        def put(name: str) -> tuple[str, str, Object]:
            return "PUT", f"{self._runs}/{name}{STRICT}", {**found[name], "spec": specs[name]}

        return self._each(specs, put)

    def runs(self) -> dict[str, Object]:
        """All of them, by name."""
        return {run["metadata"]["name"]: run for run in self._server("GET", self._runs)["items"]}

    def settled(self, expected: Iterable[str]) -> dict[str, Object]:
        """The runs once the operator has acted on what they say now. Raises TimeoutError."""
        wanted = set(expected)
        deadline = time.monotonic() + PATIENCE
        while True:
            runs, jobs = self.runs(), self._jobs_by_run()
            late = {name for name in wanted if not _acted_on(runs[name], name in jobs)}
            if not late:
                return {name: self._state(runs[name], jobs.get(name)) for name in wanted}
            if time.monotonic() > deadline:
                raise TimeoutError(json.dumps({name: runs[name] for name in sorted(late)[:3]}, indent=1))
            time.sleep(0.5)

    def _jobs_by_run(self) -> dict[str, Object]:
        jobs = self._server("GET", self._jobs)["items"]
        return {job["metadata"]["labels"][names.RUN_LABEL]: job for job in jobs}

    def _state(self, run: Object, job: Object | None) -> Object:
        """What the operator made of it, without what differs from run to run."""
        text = json.dumps([run["status"], job and job["spec"]])
        for own in (run["metadata"]["name"], run["metadata"]["uid"], run["metadata"]["uid"][:8]):
            text = text.replace(own, "*")
        if job:
            text = text.replace(job["metadata"]["uid"], "*")
        status, of_job = json.loads(text)
        return {"status": _timeless(status), "job": of_job}

    def _each(
        self, found: Iterable[str], request: Callable[[str], tuple[str, str, Object]]
    ) -> dict[str, str]:
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = zip(
                found, clients.map(lambda name: self._server.ask(*request(name)), found), strict=True
            )
            return {name: answer["message"] for name, (status, answer) in answers if status >= 300}


def _acted_on(run: Object, has_job: bool) -> bool:
    status = run.get("status", {})
    if status.get("observedGeneration") != run["metadata"]["generation"]:
        return False
    if run["spec"].get("suspend"):
        return any(one["type"] == "Suspended" and one["status"] == "True" for one in status["conditions"])
    return (has_job and "attempt" in status) or status["phase"] == "Failed"


def _timeless(value: Any) -> Any:
    """Without moments and generations."""
    if isinstance(value, dict):
        return {
            key: _timeless(part)
            for key, part in value.items()
            if not key.endswith(MOMENTS) and key != "observedGeneration"
        }
    return [_timeless(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
def field(runs: Runs, operator: Operator) -> Iterator[Field]:
    """With an operator that may have met no surprise when the test is over."""
    yield Field(runs)
    log = operator.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert "next try" not in log


def test_a_value_beyond_the_schema_is_refused_by_name_and_changes_nothing(field: Field) -> None:
    invalid = named(variation for variation in variations(schema()) if not variation.valid)
    bases = {name: _base(name) for name in ("lifecycle", "training")}
    assert not field.create(bases)
    refused = field.create({name: variation.applied(base(variation)) for name, variation in invalid.items()})
    accepted = [variation.name for name, variation in invalid.items() if name not in refused]
    assert not accepted
    unnamed = {
        variation.name: refused[name]
        for name, variation in invalid.items()
        if str(variation.path[-1] if isinstance(variation.path[-1], str) else variation.path[-2])
        not in refused[name]
    }
    assert not unnamed
    assert field.runs().keys() == bases.keys()


def test_a_value_within_the_schema_is_acted_on_or_refused_with_a_field(field: Field) -> None:
    tried = named(variation for variation in variations(schema()) if variation.valid)
    refused = field.create({name: variation.applied(base(variation)) for name, variation in tried.items()})
    unnamed = {tried[name].name: words for name, words in refused.items() if "spec" not in words}
    assert not unnamed
    field.settled(tried.keys() - refused.keys())
    assert len(refused) < len(tried) / 3, "the base specs allow too little"


def test_a_run_that_was_changed_and_changed_back_is_as_a_new_one(field: Field) -> None:
    """Changed while it is suspended, so that its first Job is made of what it says last. A change that is
    refused leaves it as it was."""
    tried = named(
        variation
        for variation in variations(schema())
        if variation.valid and variation.path[0] in TrainingRunSpec.mutable - {"suspend", *QUEUE}
    )
    before = {name: base(variation) for name, variation in tried.items()}
    after = {name: variation.applied(before[name]) for name, variation in tried.items()}

    def held(prefix: str, names: Iterable[str], specs: Mapping[str, Spec]) -> dict[str, Spec]:
        return {f"{prefix}-{name}": specs[name] | {"suspend": True} for name in names}

    impossible = field.create(held("fresh", tried, after))
    possible = [name for name in tried if f"fresh-{name}" not in impossible]
    unchanged = base(next(iter(tried.values())))
    suspended = held("once", possible, before) | held("twice", possible, before)
    assert not field.create({**suspended, "unchanged": unchanged | {"suspend": True}})
    field.settled({*suspended, *(f"fresh-{name}" for name in possible), "unchanged"})
    refused = field.change(held("once", possible, after) | held("twice", possible, after))
    assert not _unexplained(refused)
    field.settled(suspended)
    movable = [name for name in possible if f"once-{name}" not in refused]
    assert len(movable) > 20
    one_way = field.change(held("twice", movable, before))
    assert not _unexplained(one_way)
    field.settled(suspended)
    last = {f"once-{name}": after[name] if name in movable else before[name] for name in possible}
    last |= {f"twice-{name}": (after if f"twice-{name}" in one_way else before)[name] for name in possible}
    last |= {f"fresh-{name}": after[name] for name in possible} | {"unchanged": unchanged}
    assert not field.change({name: spec | {"suspend": False} for name, spec in last.items()})
    states = field.settled(last)
    for name in possible:
        once = f"fresh-{name}" if name in movable else "unchanged"
        twice = f"fresh-{name}" if f"twice-{name}" in one_way else "unchanged"
        assert states[f"once-{name}"] == states[once], tried[name].name
        assert states[f"twice-{name}"] == states[twice], tried[name].name


def _unexplained(refused: Mapping[str, str]) -> list[str]:
    return [words for words in refused.values() if not any(known in words for known in FIXED)]


def test_variations_reach_every_property() -> None:
    """Or the cases above could be of some only."""
    paths = {variation.path for variation in variations(schema())}
    assert {("nodes",), ("training", "data", "limits", "maxRatio"), ("pod", "tolerations", 0, "key")} <= paths
    assert len(paths) > 150
    assert any(variation.value is ABSENT for variation in variations(schema()))

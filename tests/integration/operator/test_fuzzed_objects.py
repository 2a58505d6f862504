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
from tests.integration.api.specs import GOLDEN, load
from tests.integration.operator.variations import ABSENT, Spec, Variation, variations
from trainingrun_api import names
from trainingrun_api.crd import custom_resource_definition
from trainingrun_api.spec import TrainingRunSpec

pytestmark = pytest.mark.cluster

PATIENCE = 180.0
CLIENTS = 8
STRICT = "?fieldValidation=Strict"
QUEUE = {"queue": "nobody"}
MOMENTS = ("time", "Time", "Timestamp")


@cache
def schema() -> Mapping[str, Any]:
    """Of spec."""
    version = custom_resource_definition()["spec"]["versions"][0]
    found: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def base(variation: Variation) -> Spec:
    """A valid spec around the property."""
    of_a_program = variation.path[0] in ("command", "args")
    spec = load(GOLDEN / "specs" / f"all-of-{'lifecycle' if of_a_program else 'training'}.yaml")
    kept = {name: value for name, value in spec.items() if name not in ("suspend", "project")}
    return kept | QUEUE


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
    return has_job or bool(run["spec"].get("suspend")) or status["phase"] in ("Completed", "Failed")


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
    assert not field.runs()


def test_a_value_within_the_schema_is_acted_on_or_refused_with_a_field(field: Field) -> None:
    tried = named(variation for variation in variations(schema()) if variation.valid)
    refused = field.create({name: variation.applied(base(variation)) for name, variation in tried.items()})
    unnamed = {tried[name].name: words for name, words in refused.items() if "spec" not in words}
    assert not unnamed
    field.settled(tried.keys() - refused.keys())
    assert len(refused) < len(tried) / 3, "the base specs allow too little"


def test_a_run_that_was_changed_and_changed_back_is_as_a_new_one(field: Field) -> None:
    """Changed while it is suspended, so that its first Job is made of what it says last."""
    allowed = [
        variation
        for variation in variations(schema())
        if variation.valid and variation.path[0] in TrainingRunSpec.mutable - {"suspend"}
    ]
    tried = named(allowed)
    before = {name: base(variation) for name, variation in tried.items()}
    after = {name: variation.applied(before[name]) for name, variation in tried.items()}
    fresh = {f"fresh-{name}": spec for name, spec in after.items()}
    refused = {name.removeprefix("fresh-") for name in field.create(fresh)}
    kept = {name: spec for name, spec in after.items() if name not in refused}
    changed = {f"a-{name}": spec for name, spec in kept.items()}
    back = {f"b-{name}": before[name] for name in kept}

    def held(specs: Mapping[str, Spec]) -> dict[str, Spec]:
        return {name: spec | {"suspend": True} for name, spec in specs.items()}

    assert not field.create(held({f"a-{name}": before[name] for name in kept} | back))
    field.settled(changed.keys() | back.keys())
    assert not field.change(held(changed | {name: kept[name.removeprefix("b-")] for name in back}))
    field.settled(changed.keys() | back.keys())
    assert not field.change(held(back))
    field.settled(back)
    assert not field.change({name: spec | {"suspend": False} for name, spec in (changed | back).items()})
    assert not field.create({"unchanged": base(allowed[0])})
    fresh_names = {f"fresh-{name}" for name in kept}
    states = field.settled(changed.keys() | back.keys() | fresh_names | {"unchanged"})
    for name in kept:
        assert states[f"a-{name}"] == states[f"fresh-{name}"], tried[name].name
        assert states[f"b-{name}"] == states["unchanged"], tried[name].name


def test_variations_reach_every_property() -> None:
    """Or the cases above could be of some only."""
    paths = {variation.path for variation in variations(schema())}
    assert {("nodes",), ("training", "data", "limits", "maxRatio"), ("pod", "tolerations", 0, "key")} <= paths
    assert len(paths) > 150
    assert any(variation.value is ABSENT for variation in variations(schema()))

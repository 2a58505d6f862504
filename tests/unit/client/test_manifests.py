"""What is to be submitted is read as people write it, and refused with the field."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainingrun_client.cli.given import with_changes
from trainingrun_client.errors import InputError, InvalidError
from trainingrun_client.manifests import checked_spec, read_manifest

HEAD = "apiVersion: trainingrun.dev/v1alpha1\nkind: TrainingRun\n"
RUN: dict[str, Any] = {
    "apiVersion": "trainingrun.dev/v1alpha1",
    "kind": "TrainingRun",
    "metadata": {"name": "a"},
    "spec": {"image": "b", "command": ["c"]},
}


@pytest.mark.parametrize(
    ("text", "name", "namespace"),
    [
        (f"{HEAD}metadata: {{name: a}}", "a", "mine"),
        (f"{HEAD}metadata: {{name: a, namespace: b}}", "a", "b"),
        (f"---\n{HEAD}metadata: {{name: a}}\n---\n", "a", "mine"),
        (f"kind: ConfigMap\n---\n{HEAD}metadata: {{name: a}}", "a", "mine"),
    ],
)
def test_the_run_of_a_file(tmp_path: Path, text: str, name: str, namespace: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    meta = read_manifest(file, namespace="mine")["metadata"]
    assert (meta["name"], meta["namespace"]) == (name, namespace)


def test_another_name_and_an_untouched_source() -> None:
    assert read_manifest(RUN, name="b", namespace="n")["metadata"] == {"name": "b", "namespace": "n"}
    assert RUN["metadata"] == {"name": "a"}


def test_numbers_of_numpy_and_sets_are_plain() -> None:
    spec = {"nodes": np.int64(2), "args": {"b", "a"}, "rate": np.float32(0.5), "where": Path("/data")}
    assert read_manifest({**RUN, "spec": spec})["spec"] == {
        "nodes": 2, "args": ["a", "b"], "rate": 0.5, "where": "/data",
    }  # fmt: skip


@pytest.mark.parametrize("source", [None, 7, {**RUN, "metadata": "a"}, {**RUN, "spec": [object()]}])
def test_what_is_no_manifest_is_refused(source: Any) -> None:
    with pytest.raises(InputError):
        read_manifest(source)


def test_two_runs_in_a_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"{HEAD}metadata: {{name: a}}\n---\n{HEAD}metadata: {{name: b}}")
    with pytest.raises(InputError, match="holds 2 TrainingRuns; wanted is one"):
        read_manifest(file)


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        ({"image": "a", "command": ["b"], "nodes": 0}, "spec.nodes", "greater than or equal to 1, not 0"),
        ({"image": "a", "command": ["b"], "nods": 1}, "spec.nods", "there is no such field"),
        ({"volumes": [{"claim": "A_", "mountPath": "/d"}]}, "spec.volumes[0].claim", ""),
    ],
)
def test_a_wrong_spec_names_the_field(spec: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidError) as refused:
        checked_spec({"spec": spec})
    causes = {cause.field: cause.message for cause in refused.value.causes}
    assert said in causes[field]


@pytest.mark.parametrize(
    ("change", "spec"),
    [
        ("nodes=4", {"nodes": 4}),
        ("spec.nodes=4", {"nodes": 4}),
        (
            "training.optimizer.learningRate=0.1",
            {"training": {"optimizer": {"learningRate": 0.1}, "task": "x"}},
        ),
        ("suspend=true", {"suspend": True}),
        ("command=[a, b]", {"command": ["a", "b"]}),
        ("queue=a=b", {"queue": "a=b"}),
    ],
)
def test_changes_reach_any_depth(change: str, spec: dict[str, Any]) -> None:
    before = {"spec": {"training": {"task": "x"}}}
    assert with_changes(before, [change])["spec"] == {**before["spec"], **spec}
    assert before == {"spec": {"training": {"task": "x"}}}


@pytest.mark.parametrize(
    ("change", "env"),
    [
        ("env.0.value=b", [{"name": "A", "value": "b"}]),
        ("env.1.name=B", [{"name": "A", "value": "a"}, {"name": "B"}]),
        ("env.0={name: B}", [{"name": "B"}]),
        ("env.1={name: B}", [{"name": "A", "value": "a"}, {"name": "B"}]),
    ],
)
def test_changes_reach_into_lists(change: str, env: list[dict[str, str]]) -> None:
    before = {"spec": {"env": [{"name": "A", "value": "a"}]}}
    assert with_changes(before, [change])["spec"] == {"env": env}
    assert before == {"spec": {"env": [{"name": "A", "value": "a"}]}}


@pytest.mark.parametrize(
    "change",
    [
        "env.2.name=B",
        "env.2=B",
        "env.x=B",
        "env.-1=B",
        "env.0.name.x=B",
        "nodes",
        "=4",
        "training.=1",
        "training.task.name=4",
        "nodes=",
        "command=[a",
        "project=!!binary aGk=",
    ],
)
def test_a_change_that_cannot_be_made(change: str) -> None:
    with pytest.raises(InputError, match=f"^--set {re.escape(change)}: "):
        with_changes({"spec": {"training": {"task": "x"}, "env": [{"name": "A"}]}}, [change])

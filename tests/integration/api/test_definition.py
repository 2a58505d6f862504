"""The definition in a real API server: it is sound, reads well, and kubectl shows what it promises."""

import json
from typing import Any

import pytest

from tests.cluster.api import Cluster
from tests.helpers.golden import assert_reviewed
from tests.helpers.runs import Runs
from tests.integration.api.corpus import COMMAND, merged
from tests.integration.api.specs import GOLDEN
from trainingrun_api import names

pytestmark = pytest.mark.cluster

STATUS = {
    "phase": "Completed",
    "reason": "Completed",
    "nodesReady": "2/2",
    "checkpoint": {"step": 1200},
    "restarts": {"failures": 1, "stalls": 0, "disruptions": 2, "total": 3},
    "columns": {"epoch": "12/50", "metric": "val_accuracy=0.968", "progress": "24%", "eta": "4m10s"},
}


def test_the_api_server_finds_nothing_to_complain_about(definition: Cluster) -> None:
    installed = json.loads(definition.kubectl("get", "crd", names.CRD_NAME, "-o", "json"))
    conditions = {condition["type"]: condition["status"] for condition in installed["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("path", ["spec", "spec.training"])
def test_kubectl_explain_reads_as_reviewed(definition: Cluster, path: str) -> None:
    explained = definition.kubectl("explain", f"trainingrun.{path}", "--recursive")
    assert_reviewed(GOLDEN / f"explain-{path}.txt", "\n".join(map(str.rstrip, explained.splitlines())) + "\n")


@pytest.fixture(scope="module")
def finished(runs: Runs) -> Runs:
    """The namespace with a run whose status says Completed: an operator on this cluster leaves it alone."""
    runs.apply(merged(COMMAND, {"metadata": {"name": "finished"}, "spec": {"queue": "team-a"}}))
    patch = ["patch", names.PLURAL, "finished", "--subresource=status", "--type=merge", "-p"]
    runs.kubectl(*patch, json.dumps({"status": STATUS}))
    return runs


@pytest.mark.parametrize("word", [names.PLURAL, names.SINGULAR, names.SHORT_NAME, names.CATEGORY])
def test_kubectl_finds_runs_by(finished: Runs, word: str) -> None:
    assert f"{names.SINGULAR}.{names.GROUP}/finished" in finished.kubectl("get", word, "-o", "name").split()


def table(runs: Runs, *args: str) -> dict[str, Any]:
    """The one line that `kubectl get` prints, by column; columns are two spaces or more apart."""
    header, line = runs.kubectl("get", names.SHORT_NAME, "finished", *args).splitlines()
    starts = [
        index
        for index, letter in enumerate(header)
        if (letter != " " and header[index - 1] in " ") or index == 0
    ]
    ends = [*starts[1:], max(len(header), len(line))]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def test_kubectl_get_shows_the_live_columns(finished: Runs) -> None:
    columns = table(finished)
    assert columns.pop("AGE")
    assert columns == {
        "NAME": "finished",
        "PHASE": "Completed",
        "EPOCH": "12/50",
        "METRIC": "val_accuracy=0.968",
        "PROGRESS": "24%",
        "ETA": "4m10s",
        "RESTARTS": "3",
    }


def test_kubectl_get_wide_shows_where_and_why(finished: Runs) -> None:
    wide = table(finished, "-o", "wide")
    assert {name: wide[name] for name in ("NODES", "GPUS", "CHECKPOINT", "QUEUE", "REASON")} == {
        "NODES": "2/2",
        "GPUS": "1",
        "CHECKPOINT": "1200",
        "QUEUE": "team-a",
        "REASON": "Completed",
    }


@pytest.mark.parametrize(("phase", "found"), [("Completed", ["finished"]), ("Running", [])])
def test_runs_are_selectable_by_phase(finished: Runs, phase: str, found: list[str]) -> None:
    selected = finished.kubectl("get", names.PLURAL, f"--field-selector=status.phase={phase}", "-o", "json")
    assert [item["metadata"]["name"] for item in json.loads(selected)["items"]] == found


def test_conditions_are_one_of_each_type(runs: Runs, finished: Runs) -> None:
    """As a list-map, so that server-side apply of one condition leaves the others."""
    condition = {
        "type": "Running",
        "status": "True",
        "reason": "PodsRunning",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    for manager, kind in (("one", "Running"), ("two", "Accepted")):
        applied = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": "finished"},
            "status": {"conditions": [condition | {"type": kind}]},
        }
        arguments = (
            "apply",
            "--server-side",
            f"--field-manager={manager}",
            "--subresource=status",
            "-f",
            "-",
        )
        runs.kubectl(*arguments, input=json.dumps(applied))
    conditions = finished.status("finished")["conditions"]
    assert {condition["type"] for condition in conditions} == {"Running", "Accepted"}

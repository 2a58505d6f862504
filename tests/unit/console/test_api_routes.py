"""What the routes answer: lists, tables, files, changes, and problems that name the field."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.console_scene import BROKEN, BUSY, DONE, EPOCHS, SECRET, Scene
from trainingrun_console.api.files import headers_of
from trainingrun_console.api.tables import table

PROBLEM = "application/problem+json"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(f"sqlite:///{tmp_path}/history.db")
    yield found
    found.close()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Scene, Path]]:
    claim = tmp_path / "claim"
    directory = claim / DONE.run_id
    (directory / "plots").mkdir(parents=True)
    (directory / "results.json").write_text('{"a": 1}')
    (directory / "plots" / "a.svg").write_text("<svg onload='alert(1)'/>")
    (directory / "link.json").symlink_to("results.json")
    (claim / "other.txt").write_text("of another run")
    (directory / "out.txt").symlink_to("../other.txt")
    (directory / "root").symlink_to("/")
    (directory / "loop").symlink_to("loop")
    os.mkfifo(directory / "pipe")
    found = Scene(f"sqlite:///{tmp_path}/history.db", run_directories={"radiology/results": claim})
    yield found, directory
    found.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("phase=Failed", [BROKEN]),
        ("phase=Failed&phase=Running&sort=name", [BUSY, BROKEN]),
        ("project=hearts", [BROKEN]),
        ("namespace=radiology&namespace=secret&sort=created_at", [DONE, SECRET]),
        ("text=OOM", [BROKEN]),
        ("created_from=2026-01-31T10:03:00Z&sort=created_at", [BUSY, SECRET]),
        ("created_to=2026-01-31T10:02:00Z", [DONE]),
        ("created_to=2026-01-31T11:02:00%2B01:00", [DONE]),
    ],
)
def test_runs_are_found_by_what_they_are(scene: Scene, query: str, expected: list[Any]) -> None:
    answer = scene.client().get(f"/runs?{query}").json()
    assert [each["run_id"] for each in answer["runs"]] == [run.run_id for run in expected]


def test_pages_hold_each_run_once(scene: Scene) -> None:
    client, seen, cursor = scene.client(), [], ""
    while True:
        page = client.get(f"/runs?limit=3&sort=name{cursor}").json()
        seen += [each["name"] for each in page["runs"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["beat", "chest", "heart", "plan"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/runs?limit=201", "query.limit"),
        ("/runs?limit=many", "query.limit"),
        ("/runs?sort=password", "query.sort"),
        ("/runs?cursor=guess", "query.cursor"),
        ("/runs?phase=Running&phase=Asleep", "query.phase[1]"),
        ("/runs?created_from=2026-01-31T10:00:00", "query.created_from"),
        ("/runs?created_from=1711192713.3", "query.created_from"),
        ("/runs?created_to=0001-01-01T00:00:00%2B23:00", "query.created_to"),
        ("/runs?text=%00", "query.text"),
        ("/runs/NO_RUN", "path.run_id"),
        (f"/runs/compare?run={DONE.run_id}", "query.run"),
        (f"/runs/compare?run={DONE.run_id}&run={DONE.run_id}", "query.run"),
        (f"/runs/{DONE.run_id}/logs?tail=-1", "query.tail"),
    ],
)
def test_a_problem_names_the_field(scene: Scene, path: str, field: str) -> None:
    answer = scene.client().get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM
    assert [each["field"] for each in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/none", 404),
        ("PUT", "/runs", 405),
        ("POST", "/runs", 422),
        ("GET", "/runs/none-00000000", 404),
    ],
)
def test_whatever_is_refused_is_a_problem_document(scene: Scene, method: str, path: str, status: int) -> None:
    answer = scene.client().request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert answer.json().keys() >= {"type", "title", "status", "detail"}


def test_epochs_are_the_same_in_json_and_csv(scene: Scene) -> None:
    client = scene.client()
    told = client.get(f"/runs/{DONE.run_id}/metrics").json()
    assert [{name: each[name] for name in EPOCHS[0]} for each in told["epochs"]] == EPOCHS
    answer = client.get(f"/runs/{DONE.run_id}/metrics?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert next(iter(rows[0])) == "epoch"
    assert [float(row["val_loss"]) for row in rows] == [0.5, 0.25, 0.125]
    assert answer.text.count("\r\n") == answer.text.count("\n") == 4


def test_pages_of_epochs_go_on_after_the_last_one(scene: Scene) -> None:
    client = scene.client()
    first = client.get(f"/runs/{DONE.run_id}/metrics?limit=2").json()
    rest = client.get(f"/runs/{DONE.run_id}/metrics?limit=2&after={first['next_after']}").json()
    assert [each["epoch"] for each in first["epochs"] + rest["epochs"]] == [1, 2, 3]
    assert rest["next_after"] is None


def test_no_text_of_a_table_is_computed_by_a_spreadsheet() -> None:
    epochs = [{"epoch": 1, "=cmd|' /C calc'!A0": -0.5, "note": "+1", "time": 'a"b,c\n'}]
    lines = "".join(table(epochs))
    assert lines == "epoch,'=cmd|' /C calc'!A0,note,time\r\n1,-0.5,'+1,\"a\"\"b,c\n\"\r\n"


def test_runs_side_by_side_show_in_what_they_differ(scene: Scene) -> None:
    answer = scene.client().get(f"/runs/compare?run={DONE.run_id}&run={BUSY.run_id}").json()
    assert [len(each["epochs"]) for each in answer["runs"]] == [3, 0]
    assert answer["differences"] == [
        {"field": "spec.project", "values": [None, "beats"]},
        {"field": "spec.training.maxEpochs", "values": [3, 5]},
    ]


def test_files_of_a_mounted_directory_are_listed_without_links(mounted: tuple[Scene, Path]) -> None:
    answer = mounted[0].client().get(f"/runs/{DONE.run_id}/artifacts").json()
    assert answer["source"] == "mounted"
    assert [each["path"] for each in answer["artifacts"]] == ["plots/a.svg", "results.json"]


@pytest.mark.parametrize("path", ["results.json", "link.json", "plots/../results.json", "./results.json"])
def test_a_file_is_read(mounted: tuple[Scene, Path], path: str) -> None:
    answer = mounted[0].client().get(f"/runs/{DONE.run_id}/artifacts/{path}")
    assert answer.json() == {"a": 1}
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("%2e%2e/other.txt", 422),
        ("..%2fother.txt", 422),
        ("plots/%2e%2e/%2e%2e/other.txt", 422),
        ("%2fetc%2fpasswd", 422),
        ("/etc/passwd", 422),
        ("results.json%00.png", 422),
        ("out.txt", 404),
        ("root/etc/passwd", 404),
        ("loop", 404),
        ("pipe", 404),
        ("plots", 404),
        ("results.json/x", 404),
        ("none.json", 404),
        ("..%5cother.txt", 404),
        ("x" * 300, 404),
    ],
)
def test_no_path_leads_out_of_the_directory(mounted: tuple[Scene, Path], path: str, status: int) -> None:
    answer = mounted[0].client().get(f"/runs/{DONE.run_id}/artifacts/{path}")
    assert answer.status_code == status
    assert "of another run" not in answer.text


def test_a_directory_that_is_a_link_is_no_run_directory(mounted: tuple[Scene, Path]) -> None:
    scene, directory = mounted
    directory.rename(directory.with_name("elsewhere"))
    directory.symlink_to("elsewhere")
    answer = scene.client().get(f"/runs/{DONE.run_id}/artifacts").json()
    assert answer["source"] == "history"


@pytest.mark.parametrize(
    ("name", "media_type", "how"),
    [
        ("results.json", "application/json", "inline"),
        ("plots/LOSS.PNG", "image/png", "inline"),
        ("logs/training.log", "text/plain; charset=utf-8", "inline"),
        ("report.html", "application/octet-stream", "attachment"),
        ("plots/a.svg", "application/octet-stream", "attachment"),
        ("checkpoints/best.ckpt", "application/octet-stream", "attachment"),
    ],
)
def test_a_browser_shows_only_what_cannot_run(name: str, media_type: str, how: str) -> None:
    headers = headers_of(name)
    assert headers["Content-Type"] == media_type
    assert headers["Content-Disposition"].startswith(f"{how};")


def test_a_name_cannot_end_its_header() -> None:
    assert (
        headers_of('a"\r\nX: y.png')["Content-Disposition"]
        == "inline; filename*=UTF-8''a%22%0D%0AX%3A%20y.png"
    )


def test_a_run_is_created_and_known_at_once(scene: Scene) -> None:
    manifest = {
        "apiVersion": "trainingrun.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": "new", "namespace": "radiology"},
        "spec": dict(DONE.object["spec"]),
    }
    client = scene.client()
    dry = client.post("/runs?dry_run=true", json=manifest)
    assert (dry.status_code, client.get(f"/runs/{dry.json()['run_id']}").status_code) == (200, 404)
    answer = client.post("/runs", json=manifest)
    assert answer.status_code == 201
    assert client.get(answer.headers["location"]).json()["name"] == "new"
    assert scene.hub.told == [answer.json()["run_id"]]


def test_what_the_api_server_refuses_is_told_by_its_fields(scene: Scene) -> None:
    manifest = {
        "apiVersion": "trainingrun.dev/v1alpha1",
        "kind": "TrainingRun",
        "metadata": {"name": "new", "namespace": "radiology"},
        "spec": {"nodes": 0},
    }
    answer = scene.client().post("/runs", json=manifest)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "spec.nodes"


def test_a_run_is_started_again_under_a_name_that_is_free(scene: Scene) -> None:
    client = scene.client()
    first = client.post(f"/api/training/{DONE.run_id}/run").json()
    second = client.post(f"/api/training/{first['run_id']}/run").json()
    third = client.post("/api/training/chest/run").json()
    assert [each["name"] for each in (first, second, third)] == ["chest-r2", "chest-r3", "chest-r4"]
    assert first["estimated_duration"] == 30.0
    assert first["status"] == "pending"


@pytest.mark.parametrize("path", [f"/api/training/{BUSY.run_id}/run", "/api/training/beat/run"])
def test_while_a_project_is_busy_no_other_run_of_it_is_started(scene: Scene, path: str) -> None:
    answer = scene.client().post(path)
    assert (answer.status_code, answer.json()["active_run"]) == (409, "beat")


def test_a_failed_run_is_tried_again_unless_its_project_is_busy(scene: Scene) -> None:
    client = scene.client()
    assert client.post(f"/runs/{DONE.run_id}/retry").status_code == 409
    started = client.post("/api/training/heart/run")
    assert started.status_code == 201
    refused = client.post(f"/runs/{BROKEN.run_id}/retry")
    assert (refused.status_code, refused.json()["active_run"]) == (409, "heart-r2")
    client.delete(f"/runs/{started.json()['run_id']}")
    assert client.post(f"/runs/{BROKEN.run_id}/retry").status_code == 200
    assert client.post(f"/runs/{BROKEN.run_id}/retry").status_code == 409


def test_of_a_deleted_run_the_history_is_left(scene: Scene) -> None:
    client = scene.client()
    assert client.delete(f"/runs/{DONE.run_id}").status_code == 204
    assert client.delete(f"/runs/{DONE.run_id}").status_code == 410
    assert client.post(f"/runs/{DONE.run_id}/suspend").status_code == 410
    assert client.get(f"/runs/{DONE.run_id}").status_code == 200
    assert client.post(f"/api/training/{DONE.run_id}/run").status_code == 201


EXPERIMENT = {
    "run_name": "exp_001_baseline",
    "dataset_path": "/data/pneumonia_dataset.zip",
    "claim": "chest-data",
    "namespace": "radiology",
    "config_overrides": {"experiment.epochs": 100, "experiment.learning_rate": 0.0005, "nodes": 2},
}


def test_an_experiment_becomes_a_run(scene: Scene) -> None:
    answer = scene.client().post("/experiments/centralized", json=EXPERIMENT)
    assert answer.status_code == 201
    told = answer.json()
    assert told["training_mode"] == "centralized"
    assert (told["name"], told["status"], told["message"]) == (
        "exp-001-baseline",
        "pending",
        "Training started",
    )
    assert told["estimated_duration"] is None  # no run on two nodes has completed
    spec = scene.client().get(f"/runs/{told['run_id']}").json()["object"]["spec"]
    assert spec == {
        "nodes": 2,
        "training": {
            "task": "classification",
            "data": {"path": "/data/pneumonia_dataset.zip", "format": "zip"},
            "maxEpochs": 100,
            "optimizer": {"learningRate": 0.0005},
        },
        "checkpoints": {"size": "10Gi"},
        "volumes": [{"claim": "chest-data", "mountPath": "/data", "readOnly": True}],
    }


def test_an_estimate_is_scaled_by_the_epochs(scene: Scene) -> None:
    body = {**EXPERIMENT, "config_overrides": {"experiment.epochs": 100}}
    answer = scene.client().post("/experiments/centralized", json=body)
    assert answer.json()["estimated_duration"] == 1000.0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"config_overrides": {"experiment.epoch": 3}}, "body.config_overrides.experiment.epoch"),
        ({"config_overrides": {"nodes": 0}}, "body.config_overrides.nodes"),
        ({"config_overrides": {"output.log_dir": "x"}}, "body.config_overrides.output.log_dir"),
        ({"claim": None}, "body.claim"),
        ({"dataset_path": "/elsewhere/a.zip"}, "body.dataset_path"),
        ({"run_name": "é"}, "body.run_name"),
        ({"model": "resnet"}, "body.model"),
        ({"config_overrides": {"volumes": []}}, "body.claim"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused_by_its_fields(
    scene: Scene, change: dict[str, Any], field: str
) -> None:
    answer = scene.client().post("/experiments/centralized", json={**EXPERIMENT, **change})
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_a_name_that_is_taken_is_told_as_such(scene: Scene) -> None:
    answer = scene.client().post("/experiments/centralized", json={**EXPERIMENT, "run_name": "Chest"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "body.run_name")


def test_no_route_is_without_a_summary_and_its_problems(scene: Scene) -> None:
    document = scene.app.openapi()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description"), (path, parameter["name"])
            refused = {int(status) for status in operation["responses"] if int(status) >= 400}
            assert refused or path == "/healthz", path

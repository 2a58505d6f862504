"""The console in the cluster: a run started from the form in a browser, watched to its end, the same numbers
wherever one looks; a failing run explained and retried; two runs compared; who may not, does not."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cluster.api import Cluster
from tests.cluster.images import build
from tests.cluster.shell import wait_until
from tests.demo import install
from tests.e2e.conftest import own_namespace
from tests.e2e.digits import DATA_CLAIM
from tests.helpers.browser import NARROW, WIDE, Watched, opened
from tests.helpers.installed_console import Console, Streams, answers, forwarded
from tests.helpers.ports import free_port
from tests.helpers.prometheus import serving
from tests.helpers.runs import manifest
from trainingrun_client.client import TrainingRunClient
from trainingrun_client.files import volume_of

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

SERVICE = "trainingrun-console"
MINUTES = 60_000
RUN = "from-form"
FORM = {
    "nodes": "1",
    "resources.gpus": "0",
    "resources.cpu": "1",
    "resources.memory": "3Gi",
    "checkpoints.size": "1Gi",
    "volumes.0.claim": DATA_CLAIM,
    "volumes.0.mountPath": "/data",
    "training.maxEpochs": "4",
    "training.monitor": "val_accuracy",
    "training.data.path": "/data/digits.zip",
    "training.data.imageSize": "32",
    "training.model.architecture": "resnet18",
}
CHOSEN = {"training.task": "classification", "training.data.format": "zip"}


@pytest.fixture(scope="module")
def console(installed: Cluster, images: install.Images, digits_folder: Path) -> Iterator[Console]:
    """The chart with the console, and a namespace in which anna may edit and otto may only look."""
    image = installed.load_image(build("console"))
    values = [f"{key}={value}" for key, value in install.image_settings("console.image", image).items()]
    install.install_chart(installed, images, "console.enabled=true", *values)
    namespaces = own_namespace(installed)
    runs = next(namespaces)
    installed.put_folder(digits_folder, runs.namespace, DATA_CLAIM)
    tokens = {}
    for user, role in {"anna": "edit", "otto": "view", "eve": ""}.items():
        runs.kubectl("create", "serviceaccount", user)
        if role:
            runs.kubectl(
                *("create", "rolebinding", user, f"--clusterrole={role}"),
                f"--serviceaccount={runs.namespace}:{user}",
            )
        tokens[user] = runs.kubectl("create", "token", user, "--duration=2h").strip()
    port = free_port()
    found = Console(installed, runs, f"http://127.0.0.1:{port}", tokens)
    try:
        with forwarded(installed, SERVICE, f"{port}:8765"):
            wait_until("the console answers", lambda: answers(f"{found.url}/readyz"), seconds=60)
            yield found
    finally:
        next(namespaces, None)
        install.install_chart(installed, images)


@dataclass
class Watch:
    """The run that was started from the form, after its end."""

    run_id: str
    streams: Streams
    shown: dict[str, str]
    """What its page showed at the end."""


@pytest.fixture(scope="module")
def watched(console: Console, browser: Browser) -> Watch:
    """A person opens the console, fills in the form, starts a run and watches it to Completed."""
    with opened(browser, f"{console.url}/ui/new?namespace={console.runs.namespace}") as seen:
        page = seen.page
        console.log_in(page)
        _fill_form(console, page)
        page.get_by_role("button", name="Start").click()
        page.wait_for_url(re.compile(r"/ui/runs/"))
        run_id = page.url.rpartition("/")[2]
        streams = Streams(console, run_id)
        live = page.locator("#live")
        expect(live).to_have_text("live", timeout=2 * MINUTES)
        loss = page.locator("#chart-loss")
        expect(loss).to_have_attribute("data-points", re.compile(r"[1-4]"), timeout=5 * MINUTES)
        seen.shot("e2e-running")
        expect(page.locator(".head")).to_have_attribute("data-phase", "Completed", timeout=5 * MINUTES)
        expect(loss).to_have_attribute("data-points", "4")
        streams.wait(60)
        page.reload()
        expect(loss).to_have_attribute("data-points", "4")
        shown = {
            "best": page.locator(".facts div", has_text="Best").locator("dd").inner_text(),
            "legend": loss.locator(".u-legend").inner_text(),
        }
        seen.shot("e2e-completed")
        assert seen.wrongs == []
    return Watch(run_id, streams, shown)


def _fill_form(console: Console, page: Page) -> None:
    page.locator("[name='metadata.name'], [name='name']").first.fill(RUN)
    page.locator("[name='metadata.namespace'], [name='namespace']").first.fill(console.runs.namespace)
    for path, value in FORM.items():
        page.locator(f"[name='{path}']").fill(value)
    for path, value in CHOSEN.items():
        page.locator(f"[name='{path}']").select_option(value)


def _epochs(found: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    told = [message for message in found if message["event"] == "epoch_end"]
    numbers = [message["epoch"] for message in told]
    assert numbers == list(range(1, len(numbers) + 1)), numbers
    return {message["epoch"]: message["metrics"] for message in told}


def test_the_same_numbers_stand_everywhere(console: Console, watched: Watch, tmp_path: Path) -> None:
    run = TrainingRunClient(console.runs.namespace, kubeconfig=console.cluster.kubeconfig).get(RUN)
    backend = TrainingRunClient(console.runs.namespace, kubeconfig=console.cluster.kubeconfig).backend
    with volume_of(backend.connection, run) as volume:  # type: ignore[attr-defined]
        kept = json.loads(volume.read_bytes("metrics.json"))
    assert [epoch["epoch"] for epoch in kept] == [1, 2, 3, 4]
    scores = {
        epoch["epoch"]: {
            name: value for name, value in epoch.items() if name.startswith(("train_", "val_", "test_"))
        }
        for epoch in kept
    }
    with console.api() as api:
        rest = api.get(f"/runs/{watched.run_id}/metrics").json()["epochs"]
        assert [{name: each[name] for name in epoch} for each, epoch in zip(rest, kept, strict=True)] == kept
        table = api.get(f"/runs/{watched.run_id}/metrics", params={"format": "csv"}).text
        detail = api.get(f"/runs/{watched.run_id}").json()
    for row, epoch in zip(csv.DictReader(io.StringIO(table)), kept, strict=True):
        for name, value in scores[epoch["epoch"]].items():
            assert float(row[name]) == value, name
    assert _epochs(watched.streams.events) == scores
    assert _epochs(watched.streams.messages) == scores
    scraped = scraped_metric(console, tmp_path, "val_loss")
    assert scraped == pytest.approx(float(detail_metric(detail, "val_loss")))
    best = max(epoch["val_accuracy"] for epoch in kept)
    assert detail["best_value"] == pytest.approx(best, abs=1e-6)
    assert f"{best:.4g}" in watched.shown["best"], watched.shown
    assert f"{kept[-1]['val_loss']:.4g}" in watched.shown["legend"], watched.shown
    assert detail["results"]["total_epochs_run"] == 4
    assert {"metrics.json", "results.json", "report.html"} <= {each["path"] for each in detail["artifacts"]}


def scraped_metric(console: Console, folder: Path, metric: str) -> float:
    """As a Prometheus that scrapes the operator has it."""
    port = free_port()
    job = {
        "job_name": "operator",
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }
    series = f'{{namespace="{console.runs.namespace}",name="{RUN}",metric="{metric}"}}'
    found: list[float] = []

    def there() -> bool:
        value = prometheus.value(f"trainingrun_metric{series}")
        found[:] = [] if value is None else [value]
        return bool(found)

    with (
        forwarded(console.cluster, install.RELEASE, f"{port}:8000"),
        serving(folder, [job]) as prometheus,
    ):
        wait_until(f"{metric} in Prometheus", there, seconds=60)
    return found[0]


def detail_metric(detail: dict[str, Any], name: str) -> str:
    """The last value in the object's status."""
    status = detail["object"]["status"]
    return str(next(each["value"] for each in status["metrics"] if each["name"] == name))


def test_both_protocols_tell_the_story_in_order(watched: Watch) -> None:
    for told in (watched.streams.events, watched.streams.messages):
        names = [message["event"] for message in told if "id" in message]
        assert names[:2] == ["training_start", "training_mode"]
        assert names[-2:] == ["training_complete", "training_end"]
        assert any(message["event"] == "training_metrics_update" for message in told)


def test_files_of_a_run_come_through_the_console_with_the_rights_of_who_asks(
    console: Console, browser: Browser, watched: Watch
) -> None:
    files = f"/runs/{watched.run_id}/artifacts"
    with console.api() as api:
        listed = {each["path"]: each["size"] for each in api.get(files).json()["artifacts"]}
        results = api.get(f"{files}/results.json", timeout=120)
        assert results.json()["total_epochs_run"] == 4
        assert len(results.content) == listed["results.json"]
        assert api.get(f"{files}/..%2f..%2fetc%2fpasswd").status_code in (404, 422)
    with console.api("otto") as api:
        assert api.get(f"{files}/results.json", timeout=120).status_code == 403
    with opened(browser, f"{console.url}/ui/runs/{watched.run_id}") as seen:
        console.log_in(seen.page)
        seen.page.locator("#samples summary").click()
        picture = seen.page.locator("#samples img").first
        expect(picture).to_have_js_property("complete", True, timeout=2 * MINUTES)
        assert picture.evaluate("each => each.naturalWidth") > 0
        seen.shot("e2e-samples")
        assert seen.wrongs == []


def test_a_run_that_fails_is_explained_and_retried(console: Console, browser: Browser) -> None:
    wrong = {
        "resources": {"gpus": 0},
        "restart": {"maxFailures": 0},
        "command": ["python3", "-c", "raise SystemExit('no such table: patients')"],
        "image": console.cluster.load_image(build("base")),
    }
    console.runs.apply(manifest("broken", wrong))
    console.runs.wait("broken", "Failed", seconds=120)
    run_id = _eventually(console, "broken")
    with opened(browser, f"{console.url}/ui/runs/{run_id}") as seen:
        console.log_in(seen.page)
        notice = seen.page.locator(".notice")
        expect(notice).to_contain_text("no such table: patients", timeout=MINUTES)
        seen.shot("e2e-failed")
        attempt = console.runs.status("broken")["attempt"]
        seen.page.locator("#do-retry").click()
        seen.page.locator("#confirm-yes").click()
        wait_until("another attempt", lambda: console.runs.status("broken")["attempt"] > attempt, seconds=60)
        assert seen.wrongs == []


def _eventually(console: Console, name: str) -> str:
    found: list[str] = []

    def there() -> bool:
        try:
            found.append(console.run_id(name))
        except StopIteration:
            return False
        return True

    wait_until(f"{name} in the history", there, seconds=60)
    return found[-1]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_two_runs_are_compared_on_a_narrow_screen_too(
    console: Console, browser: Browser, watched: Watch, dark: bool
) -> None:
    other = _eventually(console, "broken")
    where = f"{console.url}/ui/compare?run={watched.run_id}&run={other}"
    for size in (NARROW, WIDE):
        with opened(browser, where, size=size, dark=dark) as seen:
            console.log_in(seen.page)
            expect(seen.page.get_by_text("training.maxEpochs").first).to_be_visible()
            _looks_whole(seen)
            seen.shot(f"e2e-compare-{'dark' if dark else 'light'}-{size[0]}")


def _looks_whole(seen: Watched) -> None:
    assert seen.overflow() <= 0
    assert seen.wrongs == []


@pytest.mark.parametrize(
    ("user", "method", "path", "status"),
    [
        ("otto", "GET", "", 200),
        ("otto", "DELETE", "", 403),
        ("eve", "GET", "", 404),
        ("eve", "GET", "/metrics", 404),
        ("eve", "POST", "/suspend", 404),
    ],
)
def test_nobody_sees_or_does_what_the_cluster_would_refuse(
    console: Console, watched: Watch, user: str, method: str, path: str, status: int
) -> None:
    with console.api(user) as api:
        answer = api.request(method, f"/runs/{watched.run_id}{path}")
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_run_stays_known_after_its_object_is_deleted(console: Console, watched: Watch) -> None:
    console.runs.kubectl("delete", "trainingrun", RUN, "--timeout=60s")
    with console.api() as api:

        def gone() -> bool:
            return bool(api.get(f"/runs/{watched.run_id}").json()["deleted_at"])

        wait_until("the deletion is noted", gone, seconds=60)
        assert len(api.get(f"/runs/{watched.run_id}/metrics").json()["epochs"]) == 4


def test_killed_while_a_run_trains_it_loses_and_doubles_nothing(console: Console) -> None:
    """Its pod dies, and with it every connection: whoever comes back with the last id misses nothing."""
    spec = {
        "resources": {"gpus": 0, "cpu": "1", "memory": "3Gi", "sharedMemory": "256Mi"},
        "volumes": [{"claim": DATA_CLAIM, "mountPath": "/data", "readOnly": True}],
        "checkpoints": {"size": "1Gi"},
        "training": {
            "task": "classification",
            "data": {"format": "zip", "path": "/data/digits.zip", "imageSize": 32},
            "model": {"architecture": "resnet18"},
            "maxEpochs": 6,
        },
    }
    console.runs.apply(manifest("outlives", spec))
    run_id = _eventually(console, "outlives")
    told: list[dict[str, Any]] = []
    killed = False
    last = ""

    def listen() -> bool:
        """Whether the run has ended."""
        nonlocal last, killed
        headers = {"Authorization": f"Bearer {console.tokens['anna']}", "Last-Event-ID": last}
        where = f"{console.url}/runs/{run_id}/stream"
        with httpx.stream("GET", where, headers=headers, timeout=60) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data: "):
                    continue
                message = json.loads(line.removeprefix("data: "))
                if "id" not in message:
                    continue
                last = message["id"]
                told.append(message)
                if message["event"] == "epoch_end" and message["epoch"] == 2 and not killed:
                    killed = True
                    _kill(console)
                if message["event"] == "training_end":
                    return True
        return False

    def ended() -> bool:
        try:
            return listen()
        except httpx.HTTPError:
            return False

    wait_until("the stream of outlives ends", ended, seconds=600)
    assert killed
    assert list(_epochs(told)) == [1, 2, 3, 4, 5, 6]
    assert len({message["id"] for message in told}) == len(told)


def _kill(console: Console) -> None:
    console.cluster.kubectl(
        *("-n", install.NAMESPACE, "delete", "pod", "-l", "app.kubernetes.io/component=console"),
        "--grace-period=0",
        "--force",
    )

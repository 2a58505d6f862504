"""One run in a browser: live curves, its diagnosis, its log, and what somebody does about it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.helpers import made_up_runs, page_scene
from tests.helpers.browser import opened
from tests.helpers.made_up_runs import EPOCHS, epoch_of
from tests.helpers.page_scene import Scene
from trainingrun_api.reasons import Phase
from trainingrun_console.history.records import Run


@pytest.fixture
def runs(scene: Scene) -> dict[str, Run]:
    return made_up_runs.furnish(scene)


def page_of(scene: Scene, run: Run) -> str:
    return f"{scene.url}/ui/runs/{run.run_id}"


def test_a_run_is_watched_live_to_its_end(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    run = runs["chest-xray"]
    with opened(browser, page_of(scene, run)) as seen:
        loss = seen.page.locator("#chart-loss")
        expect(loss).to_have_attribute("data-points", "12")
        expect(seen.page.locator("#live")).to_have_text("live")
        expect(seen.page.locator("#how-far")).to_contain_text("epoch 12/20")
        for number in range(13, EPOCHS + 1):
            scene.history.save_epochs(run.run_id, [epoch_of(number, run.created_at)])
            run = replace(run, epoch=number, percent=5 * number)
            scene.history.save(run)
            scene.hub.changed(run.run_id)
            expect(loss).to_have_attribute("data-points", str(number))
        expect(seen.page.locator("#how-far")).to_contain_text("epoch 20/20")
        scene.history.save(replace(run, phase=Phase.COMPLETED, completed_at=datetime.now(UTC)))
        scene.hub.changed(run.run_id)
        expect(seen.page.locator(".head")).to_contain_text("Completed")
        expect(seen.page.locator("#announcer")).to_have_text("chest-xray is Completed")
        expect(seen.page.locator("#do-suspend")).to_have_count(0)
        newest = epoch_of(EPOCHS, run.created_at)["val_loss"]
        expect(loss.locator(".u-legend")).to_contain_text(f"{newest:.4g}")
        assert seen.wrongs == []


def test_all_that_a_run_tells_is_on_its_page(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    with opened(browser, page_of(scene, runs["chest-xray"])) as seen:
        expect(seen.page.locator(".facts")).to_contain_text("Checkpoint")
        expect(seen.page.locator(".facts")).to_contain_text("step 460")
        expect(seen.page.locator(".attempt")).to_contain_text("Failure: NcclTimeout")
        expect(seen.page.locator("#marks-note")).to_be_visible()
        expect(seen.page.locator("#pods tbody tr")).to_have_count(2)
        expect(seen.page.locator("#more")).to_contain_text("AttemptFailed")
        for name in ("loss", "monitor", "rate", "pace", "all"):
            expect(seen.page.locator(f"#chart-{name} canvas")).to_be_visible()
        box = seen.page.locator(".chooser").get_by_label("val_loss")
        box.check()
        expect(seen.page.locator("#chart-all .u-legend")).to_contain_text("val_loss")
        seen.page.locator("#axis").select_option("time")
        seen.page.locator("#log").scroll_into_view_if_needed()
        expect(seen.page.locator("#log")).to_contain_text("epoch 12: val_loss 0.075")
        expect(seen.page.locator("#log [data-level=WARNING]").first).to_contain_text("was lowered")
        seen.page.locator("#config summary").click()
        expect(seen.page.locator("#config pre")).to_contain_text("architecture: resnet50")
        assert seen.wrongs == []


def test_a_finished_run_keeps_its_results_and_files(
    browser: Browser, scene: Scene, runs: dict[str, Run]
) -> None:
    run = runs["chest-base"]
    with opened(browser, page_of(scene, run)) as seen:
        seen.page.locator("#artifacts summary").click()
        link = seen.page.get_by_role("link", name="checkpoints/best.ckpt")
        expect(link).to_have_attribute("href", f"/runs/{run.run_id}/artifacts/checkpoints/best.ckpt")
        expect(seen.page.locator("#artifacts")).to_contain_text("93.8 MiB")
        expect(seen.page.locator("#samples img")).to_have_count(2)
        seen.page.locator("#outcome summary").click()
        expect(seen.page.locator("#outcome")).to_contain_text("0.9321")
        expect(seen.page.locator("#chart-loss")).to_have_attribute("data-points", "20")
        assert seen.wrongs == []


def test_no_button_is_there_before_its_script_is(
    browser: Browser, scene: Scene, runs: dict[str, Run]
) -> None:
    with opened(browser, f"{scene.url}/ui/") as seen:
        held: list[Route] = []
        seen.page.route("**/run.js", lambda route: held.append(route))
        seen.page.goto(page_of(scene, runs["skin-seg"]), wait_until="commit")
        expect(seen.page.get_by_role("heading", name="skin-seg")).to_be_visible()
        expect(seen.page.get_by_role("button")).to_have_text(["Log out"])
        held[0].continue_()
        expect(seen.page.get_by_role("button", name="Resume")).to_be_visible()
        assert seen.wrongs == []


@pytest.mark.parametrize(
    ("name", "action", "call"),
    [
        ("knee-mri", "retry", "PATCH"),
        ("chest-xray", "suspend", "PATCH"),
        ("skin-seg", "resume", "PATCH"),
        ("chest-base", "delete", "DELETE"),
    ],
)
def test_a_change_is_made_once_somebody_confirmed_it(
    browser: Browser, scene: Scene, runs: dict[str, Run], name: str, action: str, call: str
) -> None:
    with opened(browser, page_of(scene, runs[name])) as seen:
        seen.page.locator(f"#do-{action}").click()
        dialog = seen.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        seen.page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert scene.cluster.calls == []
        seen.page.locator(f"#do-{action}").click()
        if action == "delete":
            expect(dialog.locator("#confirm-yes")).to_be_disabled()
            dialog.get_by_label("Type").fill(name)
        dialog.locator("#confirm-yes").click()
        expect(dialog).to_be_hidden()
        if action == "delete":
            expect(seen.page).to_have_url(f"{scene.url}/ui/")
        assert [method for method, _ in scene.cluster.calls] == [call]
        assert seen.wrongs == []


def test_a_refused_change_says_why(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    with opened(browser, page_of(scene, runs["knee-mri"])) as seen:
        scene.cluster.objects.clear()
        seen.page.locator("#do-retry").click()
        seen.page.locator("#confirm-yes").click()
        expect(seen.page.locator("#confirm-error")).to_contain_text("is deleted")
        assert seen.wrongs == []


def test_who_may_only_look_has_no_buttons(browser: Browser, tmp_path: Path) -> None:
    with page_scene.serving(tmp_path, refused=frozenset({"patch", "delete", "create"})) as scene:
        run = made_up_runs.furnish(scene)["chest-xray"]
        with opened(browser, page_of(scene, run)) as seen:
            expect(seen.page.locator(".head")).to_contain_text("Running")
            expect(seen.page.locator("[data-action]")).to_have_count(0)


def test_an_unknown_run_is_a_page_with_words(browser: Browser, scene: Scene) -> None:
    with opened(browser, f"{scene.url}/ui/runs/nothing-00000000") as seen:
        expect(seen.page.get_by_role("heading")).to_have_text("Not Found")
        expect(seen.page.locator("main")).to_contain_text("there is no run nothing-00000000")

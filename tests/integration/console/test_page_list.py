"""The list of runs in a browser: what it tells, how it is narrowed, by mouse and by keyboard."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.helpers import made_up_runs, page_scene
from tests.helpers.browser import NARROW, WIDE, opened
from tests.helpers.page_scene import Scene
from trainingrun_api.reasons import Phase
from trainingrun_console.access.loopback_gate import LoopbackGate
from trainingrun_console.history.records import Run

MANY = 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """With ten thousand runs, a quarter of them in each phase."""
    with page_scene.serving(tmp_path_factory.mktemp("many")) as found:
        for number in range(MANY):
            phase = list(Phase)[number % 4]
            made_up_runs.add_run(found, f"run-{number}", phase, minutes=number, number=number)
        yield found


@pytest.fixture
def runs(scene: Scene) -> dict[str, Run]:
    return made_up_runs.furnish(scene)


def test_a_run_tells_its_state_at_a_glance(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    with opened(browser, f"{scene.url}/ui/") as seen:
        rows = seen.page.locator("tr[data-key]")
        expect(rows).to_have_count(len(runs))
        running = seen.page.locator("tr[data-name=chest-xray]")
        expect(running).to_contain_text("Running")
        expect(running).to_contain_text("epoch 12/20 · ETA 4m")
        expect(running.locator("progress")).to_have_attribute("value", "60")
        expect(running.locator("svg.spark polyline")).to_have_count(1)
        expect(seen.page.locator("tr[data-name=chest-wide]")).to_contain_text("Insufficient nvidia.com/gpu")
        expect(seen.page.locator("tr[data-name=chest-next]")).to_contain_text("chest-xray is active")
        expect(seen.page.locator("tr[data-name=knee-mri]")).to_contain_text("OOMKilled")
        expect(seen.page.locator("tr[data-name=skin-seg]")).to_contain_text("Suspended")
        assert seen.wrongs == []


def test_the_list_is_narrowed_as_one_types(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    with opened(browser, f"{scene.url}/ui/") as seen:
        rows = seen.page.locator("tr[data-key]")
        seen.page.keyboard.press("/")
        seen.page.keyboard.type("knee")
        expect(rows).to_have_count(1)
        expect(seen.page.locator("#search")).to_be_focused()
        assert seen.page.url.endswith("/ui/?q=knee")
        seen.page.locator("#search").fill("no such run")
        expect(seen.page.locator(".empty")).to_contain_text("No run is like that")
        seen.page.get_by_role("link", name="Show all runs").click()
        expect(rows).to_have_count(len(runs))
        seen.page.locator("#project").select_option("chest")
        expect(rows).to_have_count(3)
        seen.page.locator("#phase-Completed").click()
        expect(rows).to_have_count(1)
        expect(seen.page.locator("#project")).to_have_value("chest")
        assert seen.wrongs == []


def test_the_keyboard_reaches_and_opens_runs(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    with opened(browser, f"{scene.url}/ui/") as seen:
        seen.page.keyboard.press("Tab")
        expect(seen.page.locator(".skip")).to_be_focused()
        for key, name in [("j", "chest-next"), ("j", "chest-wide"), ("j", "chest-xray"), ("k", "chest-wide")]:
            seen.page.keyboard.press(key)
            expect(seen.page.locator(f"#open-{runs[name].run_id}")).to_be_focused()
        outline = seen.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        seen.page.keyboard.press("?")
        expect(seen.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        seen.page.keyboard.press("Escape")
        seen.page.keyboard.press("Enter")
        expect(seen.page).to_have_url(f"{scene.url}/ui/runs/{runs['chest-wide'].run_id}")
        expect(seen.page.locator(".notice")).to_contain_text("free or add nodes")
        assert seen.wrongs == []


def test_a_change_comes_in_place_and_is_announced(
    browser: Browser, scene: Scene, runs: dict[str, Run]
) -> None:
    with opened(browser, f"{scene.url}/ui/") as seen:
        link = seen.page.locator(f"#open-{runs['chest-xray'].run_id}")
        link.focus()
        seen.page.evaluate("document.activeElement.closest('tr').dataset.same = 'yes'")
        made_up_runs.add_run(scene, "newest", Phase.PENDING, minutes=0)
        scene.history.save(replace(runs["chest-wide"], phase=Phase.RUNNING, reason="PodsRunning", message=""))
        expect(seen.page.locator("tr[data-name=newest]")).to_be_visible(timeout=10_000)
        expect(seen.page.locator("#announcer")).to_have_text("chest-wide is Running")
        expect(link).to_be_focused()
        expect(seen.page.locator("#phase-Running")).to_contain_text("2")
        assert seen.wrongs == []


def test_runs_are_picked_for_a_comparison(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    with opened(browser, f"{scene.url}/ui/") as seen:
        button = seen.page.locator("#compare-button")
        expect(button).to_be_disabled()
        for name in ("chest-xray", "chest-base"):
            seen.page.locator(f"#pick-{runs[name].run_id}").check()
        expect(button).to_have_text("Compare 2")
        button.click()
        expect(seen.page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
        expect(seen.page.locator("#chart-compare canvas")).to_be_visible()
        expect(seen.page.locator("#chart-compare")).to_have_attribute("data-points", "20")
        settings = seen.page.locator("table.diff")
        expect(settings).to_contain_text("training.optimizer.learningRate")
        expect(settings).to_contain_text("0.0003")
        expect(settings).not_to_contain_text("imageSize")
        seen.page.locator("#axis").select_option("global_step")
        seen.page.locator("#metric").select_option("val_loss")
        assert seen.wrongs == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_ten_thousand_runs_come_page_by_page(browser: Browser, many: Scene, scripts: bool) -> None:
    with opened(browser, f"{many.url}/ui/?sort=name&q=run-99", scripts=scripts) as seen:
        rows = seen.page.locator("tr[data-key]")
        expect(rows).to_have_count(50)
        expect(seen.page.locator("#phase-Failed")).to_contain_text("29")
        seen.page.locator("#page-next").click()
        expect(rows).to_have_count(50)
        expect(seen.page.locator("#page-first")).to_be_visible()
        seen.page.locator("#page-next").click()
        expect(rows).to_have_count(11)
        expect(seen.page.locator("#page-next")).to_have_count(0)
        assert seen.wrongs == []


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_read_without_scripts(
    browser: Browser, scene: Scene, runs: dict[str, Run], size: tuple[int, int]
) -> None:
    with opened(browser, f"{scene.url}/ui/", size=size, scripts=False) as seen:
        expect(seen.page.locator("tr[data-key]")).to_have_count(len(runs))
        expect(seen.page.locator("#theme")).to_be_hidden()
        seen.page.locator("a.open", has_text="knee-mri").click()
        expect(seen.page.locator(".notice")).to_contain_text("64Gi were not enough")
        expect(seen.page.locator(".notice")).to_contain_text("raise resources.memory")
        assert seen.wrongs == []


def test_nobody_known_is_sent_to_the_login(tmp_path: Path, browser: Browser) -> None:
    with page_scene.serving(tmp_path, LoopbackGate) as scene:
        gate = scene.gate
        assert isinstance(gate, LoopbackGate)
        with opened(browser, f"{scene.url}/ui/new?mode=yaml") as seen:
            expect(seen.page).to_have_url(f"{scene.url}/login?next=/ui/new%3Fmode%3Dyaml")
            seen.page.get_by_label("Key", exact=True).fill("wrong")
            seen.page.get_by_role("button", name="Log in").click()
            expect(seen.page.locator("#login-error")).to_contain_text("not the key")
            seen.page.goto(f"{scene.url}/login?next=/ui/new%3Fmode%3Dyaml#key={gate.key}")
            expect(seen.page).to_have_url(f"{scene.url}/ui/new?mode=yaml")
            assert gate.key not in seen.page.content()
            assert seen.wrongs == []

"""Every page in light and dark, wide and narrow: nothing overflows, and everything can be read."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.helpers import made_up_runs, page_scene
from tests.helpers.browser import NARROW, WIDE, opened
from tests.helpers.page_scene import Scene
from trainingrun_console.history.records import Run

FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each / 255);
  };
  const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3]));
  const ground = (element) => {
    const chain = [];
    for (let each = element; each; each = each.parentElement) {
      chain.unshift(rgba(getComputedStyle(each).backgroundColor));
    }
    return chain.reduce((below, top) => over(top, below), [1, 1, 1]);
  };
  const light = (colour) => {
    const linear = (each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    if (element.closest(".unseen, :disabled, noscript, progress")) continue;
    const below = ground(element);
    const both = [light(over(rgba(getComputedStyle(element).color), below)), light(below)];
    const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return faint;
}"""
"""Texts whose contrast is less than WCAG's AA asks for (1.4.3)."""
PAGES = {
    "runs": "/ui/",
    "none": "/ui/?q=nothing-like-that",
    "running": "/ui/runs/{chest-xray}",
    "failed": "/ui/runs/{knee-mri}",
    "waiting": "/ui/runs/{chest-wide}",
    "completed": "/ui/runs/{chest-base}",
    "compare": "/ui/compare?run={chest-xray}&run={chest-base}&run={knee-mri}",
    "new": "/ui/new",
    "yaml": "/ui/new?mode=yaml&like={chest-base}",
    "login": "/login",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with page_scene.serving(tmp_path_factory.mktemp("looks")) as found:
        yield found


@pytest.fixture(scope="module")
def runs(scene: Scene) -> dict[str, Run]:
    return made_up_runs.furnish(scene)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read(
    browser: Browser, scene: Scene, runs: dict[str, Run], name: str, dark: bool, size: tuple[int, int]
) -> None:
    path = PAGES[name].format_map({each: run.run_id for each, run in runs.items()})
    with opened(browser, f"{scene.url}{path}", size=size, dark=dark) as seen:
        seen.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        if "/ui/runs/" in path and runs["chest-wide"].run_id not in path:
            expect(seen.page.locator("#chart-loss canvas")).to_be_visible()
            seen.page.locator("#log").scroll_into_view_if_needed()
        seen.page.wait_for_load_state("load")
        assert seen.overflow() == 0
        assert seen.page.evaluate(FAINT) == []
        assert seen.wrongs == []
        seen.shot(f"{name}-{'dark' if dark else 'light'}-{size[0]}")


def test_the_theme_is_chosen_and_kept(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    def ground() -> str:
        return str(seen.page.evaluate("getComputedStyle(document.body).backgroundColor"))

    with opened(browser, f"{scene.url}/ui/") as seen:
        light = ground()
        switch = seen.page.locator("#theme")
        switch.click()
        assert ground() == light
        switch.click()
        dark = ground()
        assert dark != light
        expect(switch).to_have_attribute("aria-label", "Theme: dark")
        seen.page.reload()
        assert ground() == dark
        switch.click()
        assert ground() == light
        assert seen.wrongs == []


def test_every_control_has_a_name(browser: Browser, scene: Scene, runs: dict[str, Run]) -> None:
    for path in PAGES.values():
        url = scene.url + path.format_map({each: run.run_id for each, run in runs.items()})
        with opened(browser, url) as seen:
            nameless = seen.page.evaluate(
                """() => [
                  ...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, img"),
                ]
                  .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.alt))
                  .filter((each) => !each.labels?.length && !each.querySelector("img[alt]"))
                  .map((each) => each.outerHTML)"""
            )
            assert nameless == []
            twice = seen.page.evaluate(
                """() => { const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
                  return ids.filter((each, place) => ids.indexOf(each) !== place); }"""
            )
            assert twice == []

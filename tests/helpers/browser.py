"""Debian's Chromium, driven by Playwright: what a page is in the hands of a person.

A browser that Playwright would fetch for itself comes from elsewhere; this one is a package of the system.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.cluster.api import TREE
from tests.cluster.shell import exclusive, run, step

PACKAGE = "chromium"
LOCK = Path("/run/lock/trainingrun-packages.lock")
SHOTS = TREE / "build" / "console-shots"
"""For people to look at; not part of the checkout."""
HERE = ("127.0.0.1", "localhost")
WIDE, NARROW = (1360, 900), (400, 800)
"""Widths and heights of windows in pixels."""
EXPECTED = ("the server responded with a status of 4",)
"""What the browser itself writes about an answer that a test provokes."""


def chromium() -> Path:
    """The program; installed where it is missing, as root on Debian. Else the test is skipped."""
    found = shutil.which(PACKAGE)
    if found is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip("no chromium on this machine: install it, or run as root on Debian")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
        with exclusive(LOCK), step("installing chromium"):
            run([*apt, "update"], env=environment)
            run([*apt, "install", "--yes", "--no-install-recommends", PACKAGE], env=environment)
        found = shutil.which(PACKAGE)
    assert found is not None, "the package chromium has no program of that name"
    return Path(found)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window, which reaches no network but this machine."""
    nowhere_else = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    arguments = ["--disable-gpu", f"--host-resolver-rules={nowhere_else}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    program = chromium()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, and all that it did which no page should."""

    page: Page
    wrongs: list[str] = field(default_factory=list)
    """Errors of scripts, violations of the CSP, requests to other hosts."""

    def shot(self, name: str) -> None:
        """A picture of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        found: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return found


@contextmanager
def opened(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = WIDE,
    dark: bool = False,
    scripts: bool = True,
    still: bool = True,
) -> Iterator[Watched]:
    """A page in a profile of its own.

    Args:
        size: of the window.
        dark: what the system prefers.
        scripts: whether scripts run.
        still: whether the system prefers little motion.
    """
    context: BrowserContext = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        reduced_motion="reduce" if still else "no-preference",
    )
    context.set_default_timeout(15_000)
    watched = Watched(context.new_page())

    def told(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(each in message.text for each in EXPECTED):
            watched.wrongs.append(f"{message.type}: {message.text}")

    def requested(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.hostname not in HERE:
            watched.wrongs.append(f"request to {request.url}")

    watched.page.on("console", told)
    watched.page.on("pageerror", lambda error: watched.wrongs.append(f"script: {error}"))
    watched.page.on("request", requested)
    try:
        watched.page.goto(url)
        yield watched
    finally:
        print(*watched.wrongs, sep="\n")  # pytest shows it where a test fails
        context.close()

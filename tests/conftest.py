"""What a test may ask of the machine: the cluster, a browser, a GPU. Where it is missing, a skip says so."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.cluster import Cluster, current
from tests.helpers import browser as browsers


def _gpu_missing() -> str:
    import torch

    return "" if torch.cuda.is_available() else "no CUDA device on this machine"


REAL = ("tests/integration/", "tests/e2e/")
"""Tests of real processes and clusters, which one busy second of the machine may upset."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `gpu` where there is none; give those of the real thing a second try.

    The summary names each test that needed one, for it has a defect, or what it tests.
    """
    for item in items:
        if item.nodeid.startswith(REAL):
            item.add_marker(pytest.mark.flaky(reruns=1))
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and (reason := _gpu_missing()):
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests needed their second try."""
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"first try of {report.nodeid}")
        terminalreporter.line(report.longreprtext)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The running test cluster.

    Skips where none runs, for then the machine cannot run one or nobody asked for it; fails where one runs
    but is ill.
    """
    found = current()
    status = found.status()
    if not status.components:
        pytest.skip(str(status))
    if not status.healthy:
        pytest.fail(f"the test cluster is ill; `make cluster-up` mends it\n{status}", pytrace=False)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of one module's tests.

    No longer: while Playwright lives, its event loop counts as running in this thread, where neither a second
    Playwright nor `asyncio.run` is possible.
    """
    with browsers.launched() as found:
        yield found

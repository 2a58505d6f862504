"""The liveness probe is answered whatever family of addresses the cluster has, and fails by the problems."""

import asyncio
import json
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge

from tests.helpers.addresses import LOOPBACKS
from tests.helpers.ports import free_port
from trainingrun_operator import metrics_page, probe, scraper


def answer(host: str, port: int, found: list[str]) -> tuple[int, dict[str, str]]:
    """Status and content of the probe's answer while there are these problems."""

    def ask() -> tuple[int, dict[str, str]]:
        try:
            with urllib.request.urlopen(f"http://{host}:{port}{probe.PATH}", timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    async def scenario() -> tuple[int, dict[str, str]]:
        async with probe.answered(port, lambda: found):
            return await asyncio.to_thread(ask)

    return asyncio.run(scenario())


@pytest.mark.parametrize("host", LOOPBACKS)
@pytest.mark.parametrize(
    ("found", "status", "said"), [([], 200, "alive"), (["no resync", "deaf"], 500, "no resync; deaf")]
)
def test_the_probe_says_what_is_wrong(host: str, found: list[str], status: int, said: str) -> None:
    assert answer(host, free_port(), found) == (status, {"operator": said})


@pytest.mark.parametrize("host", LOOPBACKS)
def test_pages_are_served_to_and_fetched_from_either_family(host: str) -> None:
    """The operator's own, asked for as it asks a pod."""
    registry = CollectorRegistry()
    Gauge("a_gauge", "Help.", registry=registry).set(3)
    server = metrics_page.serve(port := free_port(), registry, metrics_page.RunSeries())
    try:
        assert "a_gauge 3.0" in scraper.fetch(host.strip("[]"), port)
    finally:
        server.shutdown()
        server.server_close()

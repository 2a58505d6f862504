"""Every panel shows something of a cluster on which something happens, and can be drawn."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import UnsupportedMachineError
from tests.helpers.grafana import Dashboard, chosen, dashboards
from tests.helpers.prometheus import Prometheus
from tests.preview import history, stories
from tests.preview.answers import ask
from tests.preview.drawing import draw

DASHBOARDS = {found.uid: found for found in dashboards()}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It holds the history."""
    try:
        with history.made_up(tmp_path_factory.mktemp("history")) as prometheus:
            yield prometheus
    except UnsupportedMachineError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_every_panel_shows_something_and_is_drawn(prometheus: Prometheus, uid: str) -> None:
    found: Dashboard = DASHBOARDS[uid]
    variables = chosen(prometheus, found, {"run": stories.RUN}, history.TIMES.end)
    assert all(variables.values()), variables
    sheet = ask(prometheus, found, history.TIMES, variables)
    assert {answer.panel.title: answer.error for answer in sheet.answers if answer.error} == {}
    silent = [
        f"{answer.panel.title} {target.name}"
        for answer in sheet.answers
        for target in answer.panel.targets
        if target.name not in {named.target for named in answer.shown}
    ]
    assert silent == []
    assert {name for name, moments in sheet.events.items() if not moments} == set()
    draw(sheet)

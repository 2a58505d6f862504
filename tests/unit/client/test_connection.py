"""No request goes elsewhere than it was meant to."""

from typing import Any

import pytest

from trainingrun_client.connection import Resource
from trainingrun_client.errors import InputError

RUNS = Resource("trainingrun.dev/v1alpha1", "trainingruns")
GROUP = "/apis/trainingrun.dev/v1alpha1"


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ((), f"{GROUP}/trainingruns"),
        (("team",), f"{GROUP}/namespaces/team/trainingruns"),
        (("team", "chest-2.0"), f"{GROUP}/namespaces/team/trainingruns/chest-2.0"),
        (("team", "chest", "status"), f"{GROUP}/namespaces/team/trainingruns/chest/status"),
    ],
)
def test_paths(words: tuple[str, ...], path: str) -> None:
    assert RUNS.path(*words) == path
    assert Resource("v1", "pods").path("team", "a", "log") == "/api/v1/namespaces/team/pods/a/log"


@pytest.mark.parametrize("name", ["", "?x=1", "../secrets/x", "a/b", "a%2fb", "Chest", "-a", "a" * 254, 7])
def test_what_is_no_name_never_becomes_a_path(name: Any) -> None:
    with pytest.raises(InputError, match="cannot be the name of an object"):
        RUNS.path("team", name)
    with pytest.raises(InputError, match="cannot be the name of a namespace"):
        RUNS.path(name)

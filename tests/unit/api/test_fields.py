"""Which values each field takes, in Python; the corpus shows the same refusals by the API server."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from trainingrun_api import fields

ACCEPTED: dict[str, list[Any]] = {
    "Size": ["1", "64Gi", "500M", "0.5Gi", ".5Gi", "1.", "100k", "2Ei"],
    "Cores": ["16", "500m", "0.5", 16],
    "ObjectName": ["a", "team-data", "fast.example.com", "0"],
    "ExtendedResource": ["nvidia.com/gpu", "amd.com/gpu", "nvidia.com/mig-1g.5gb"],
    "EnvName": ["A", "_a", "NCCL_DEBUG", "a.b-c"],
    "Image": ["", "python", "localhost:5000/a/b:1.0", f"a@sha256:{'0' * 64}"],
    "AbsolutePath": ["/data", "/data/a b/c.zip", "/.hidden", "/..data", "/a.b"],
    "SubPath": ["a", "a/b", ".a", "..a/b"],
    "TaintKey": ["team", "nvidia.com/gpu", "example.com/A_b.c-d"],
    "LabelValue": ["", "a", "A-b_c.d", "a" * 63],
}
REFUSED: dict[str, list[Any]] = {
    "Size": [
        "",
        "0",
        "0Gi",
        "0.0Gi",
        "-1Gi",
        "+1Gi",
        "64GB",
        "64 Gi",
        "1e9",
        "500m",
        ".",
        "Gi",
        "1" * 33,
        64,
    ],
    "Cores": ["", "0", "0m", "-1", 0, -1, "1Gi", "2 cores", True, 0.5],
    "ObjectName": ["", "A", "-a", "a-", "a..b", "a_b", "a" * 254],
    "ExtendedResource": ["", "gpu", "nvidia.com/", "/gpu", "a/b/c", "Nvidia.com/gpu"],
    "EnvName": ["", "1A", "A B", "A=B"],
    "Image": [" ", "a b", "a\n"],
    "AbsolutePath": [
        "",
        "/",
        "data",
        "/data/",
        "//data",
        "/a/../b",
        "/..",
        "/.",
        "/a/./b",
        "/a:b",
        "/" + "a" * 1024,
    ],
    "SubPath": ["", "/a", "a/", "../a", "a/..", ".", "a//b", "a:b"],
    "TaintKey": ["", "a b", "a/b/c", "-a", "a" * 64],
    "LabelValue": ["-a", "a-", "a b", "a/b", "a" * 64],
}


def pairs(table: dict[str, list[Any]]) -> list[tuple[str, Any]]:
    return [(kind, value) for kind, values in table.items() for value in values]


@pytest.mark.parametrize(("kind", "value"), pairs(ACCEPTED))
def test_accepted(kind: str, value: Any) -> None:
    assert TypeAdapter(getattr(fields, kind)).validate_python(value) == str(value)


@pytest.mark.parametrize(("kind", "value"), pairs(REFUSED))
def test_refused(kind: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(getattr(fields, kind)).validate_python(value)

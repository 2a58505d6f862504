"""Whose object it is that already has the name."""

from typing import Any

import pytest

from tests.unit.operator.builders import NAME, at, owner, raw_job, run
from trainingrun_api import names
from trainingrun_operator.ownership import contest


@pytest.mark.parametrize(
    ("existing", "verdict"),
    [
        (raw_job(), None),
        (raw_job(owner_uid="earlier"), True),
        ({"kind": "Service", "metadata": {"name": "chest"}}, False),
        ({"kind": "Service", "metadata": {"name": "chest", "labels": {names.RUN_LABEL: NAME}}}, False),
        ({"kind": "Service", "metadata": {"name": "chest", "deletionTimestamp": at(0)}}, True),
        (
            {"kind": "Job", "metadata": {"name": "c-1", "ownerReferences": [owner("x", "CronJob", "c")]}},
            False,
        ),
        (
            {
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "c", "labels": {names.RUN_LABEL: NAME}},
            },
            None,
        ),
        ({"kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}, False),
        (
            {
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "c", "labels": {names.RUN_LABEL: "b"}},
            },
            False,
        ),
        (
            {
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "c", "labels": {names.RUN_LABEL: NAME}, "deletionTimestamp": at(0)},
            },
            True,
        ),
        (
            {
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": "c",
                    "labels": {names.RUN_LABEL: NAME},
                    "ownerReferences": [owner("x")],
                },
            },
            True,
        ),
    ],
)
def test_who_has_the_name(existing: dict[str, Any], verdict: bool | None) -> None:
    error = contest(run(), existing)
    assert (error.passing if error else None) == verdict
    if error:
        assert existing["metadata"]["name"] in error.message
        assert error.passing or names.RETRY_ANNOTATION in error.message

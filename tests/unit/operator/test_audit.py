"""The index is compared with the truth, and ghosts in it are not shown again."""

import pytest

from tests.unit.operator.builders import NAME, UID, at, raw_job, raw_pod, run
from trainingrun_operator.informer import Informer
from trainingrun_operator.observed import job_from, pod_from
from trainingrun_operator.resync import compare


@pytest.mark.parametrize(
    ("before", "listed", "after", "ghosts", "missing"),
    [
        ("ab", "ab", "ab", "", ""),
        ("ab", "a", "ab", "b", ""),
        ("ab", "a", "a", "", ""),
        ("a", "ab", "a", "", "b"),
        ("a", "ab", "ab", "", ""),
        ("a", "a", "ab", "", ""),
        ("b", "ab", "b", "", "a"),
    ],
)
def test_only_lasting_differences_count(
    before: str, listed: str, after: str, ghosts: str, missing: str
) -> None:
    assert compare(set(before), set(listed), set(after)) == (set(ghosts), set(missing))


def test_a_buried_ghost_is_not_shown_again() -> None:
    key = ("team", NAME)
    old, new = run(uid="old", creationTimestamp=at(-99)), run()
    informer = Informer({key: [new, old]}, {key: [job_from(raw_job())]}, {key: [pod_from(raw_pod())]})
    view = informer.view(key)
    assert view is not None
    assert view.run == new
    informer.bury([UID])
    view = informer.view(key)
    assert view is not None
    assert view.run == old
    informer.bury(["old", "never seen"])
    assert informer.view(key) is None
    assert informer.ghosts == {"old", UID}
    assert informer.run_keys() == [key]

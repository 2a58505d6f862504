"""The names of a run's objects fit into the limits of Kubernetes, whatever a user calls the run."""

import re

import pytest

from trainingrun_api import names

LONGEST = "x" * names.MAX_NAME_LENGTH
LAST_INDEX = names.MAX_NODES - 1
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(names.service_name(LONGEST), id="service"),
        pytest.param(names.job_name(LONGEST, names.MAX_ATTEMPT), id="job"),
        pytest.param(f"{names.job_name(LONGEST, names.MAX_ATTEMPT)}-{LAST_INDEX}", id="hostname"),
        pytest.param(f"{names.job_name(LONGEST, names.MAX_ATTEMPT)}-{LAST_INDEX}-abcde", id="pod"),
        pytest.param(names.checkpoint_claim_name(LONGEST), id="claim"),
    ],
)
def test_the_longest_run_gives_names_of_one_dns_label(name: str) -> None:
    assert DNS_LABEL.fullmatch(name)


def test_one_more_character_would_not_fit() -> None:
    """The limit costs users no more than it must."""
    pod = f"{names.job_name(LONGEST + 'x', names.MAX_ATTEMPT)}-{LAST_INDEX}-abcde"
    assert len(pod) == 64


def test_the_master_is_the_pod_with_index_0_behind_the_service_of_the_run() -> None:
    assert names.master_address("chest", 2) == "chest-2-0.chest"


def test_a_recreated_run_has_a_directory_of_its_own() -> None:
    first, second = (names.run_directory("chest", uid) for uid in ("11111111-0000", "22222222-0000"))
    assert (first, second) == ("/checkpoints/chest-11111111", "/checkpoints/chest-22222222")

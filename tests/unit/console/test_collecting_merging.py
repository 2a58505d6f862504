"""Which account of an epoch counts."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingrun_client.log_lines import LogLine, parse
from trainingrun_console.collecting import lines, page
from trainingrun_console.collecting.leniently import storable
from trainingrun_console.collecting.merging import Account, Source, Weight, clean, of_status, winners

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TIME = "2026-01-02T03:04:05Z"
ACCOUNTS = st.lists(
    st.builds(
        lambda number, attempt, source: Account(
            Weight(attempt, source), {"epoch": number, "told_by": (attempt, source)}
        ),
        st.integers(1, 5),
        st.integers(1, 3),
        st.sampled_from(Source),
    ),
    max_size=20,
)


def stored(batches: list[list[Account]]) -> dict[int, Any]:
    """What stands in a history after some batches."""
    known: dict[int, Weight] = {}
    found: dict[int, Any] = {}
    for batch in batches:
        best = winners(batch, known)
        known |= {number: account.weight for number, account in best.items()}
        found |= {number: account.epoch for number, account in best.items()}
    return found


@given(ACCOUNTS, st.randoms(), st.integers(0, 20))
def test_order_batches_and_repetition_do_not_matter(accounts: list[Account], random: Any, cut: int) -> None:
    shuffled = [*accounts, *accounts]
    random.shuffle(shuffled)
    assert stored([shuffled[:cut], shuffled[cut:]]) == stored([accounts])


@given(ACCOUNTS)
def test_the_latest_attempt_counts_and_of_it_the_fullest_source(accounts: list[Account]) -> None:
    best = winners(accounts, {})
    assert list(best) == sorted({account.number for account in accounts})
    for account in accounts:
        assert best[account.number].weight >= account.weight


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"epoch": 1, "val_loss": 0.5}, {"epoch": 1, "val_loss": 0.5, "time": TIME}),
        ({"epoch": 1, "val_loss": None}, {"epoch": 1, "val_loss": None, "time": TIME}),
        ({"epoch": 1, "val_loss": math.inf}, {"epoch": 1, "val_loss": None, "time": TIME}),
        ({"epoch": 1, "val_loss": "x", "test_loss": 1.0}, {"epoch": 1, "val_loss": None, "time": TIME}),
        ({"epoch": 1, "time": "2026-01-01T00:00:00Z"}, {"epoch": 1, "time": "2026-01-01T00:00:00Z"}),
        ({"epoch": 2, "global_step": 4, "seconds": 1.5, "learning_rate": 10**400, "more": 1},
         {"epoch": 2, "global_step": 4, "seconds": 1.5, "time": TIME}),
        ({"epoch": 0}, None),
        ({"epoch": True}, None),
        ({"epoch": "1"}, None),
        ({}, None),
        ([], None),
    ],
)  # fmt: skip
def test_an_epoch_holds_what_a_history_can_hold(told: Any, found: Any) -> None:
    assert clean(told, NOW) == found


def line(text: object, attempt: int = 1, time: str = "2026-01-02T03:04:05.5Z") -> LogLine:
    return parse(f"{time} {text if isinstance(text, str) else json.dumps(text)}", attempt, 0)


def test_lines_tell_epochs_with_their_attempt() -> None:
    found = lines.accounts(
        [
            line("no JSON"),
            line({"epoch": {"epoch": 4, "val_loss": 0.5}}),
            line({"epoch": 4}),
            line({"epoch": {"epoch": 4, "val_loss": 0.25}}, attempt=2),
        ],
        NOW,
    )
    assert [(each.weight, each.epoch["val_loss"]) for each in found] == [
        (Weight(1, Source.LOG), 0.5),
        (Weight(2, Source.LOG), 0.25),
    ]
    assert winners(found, {})[4].epoch["val_loss"] == 0.25


def test_the_last_results_count_and_no_artifact_leads_out() -> None:
    artifacts = [
        {"path": "plots/loss.png", "size": 3},
        {"path": "../other/x", "size": 1},
        {"path": "/etc/passwd", "size": 1},
        {"path": "a"},
        {"path": 7, "size": 1},
        "odd",
    ]
    told = {"results": {"training_time": 2.5}, "artifacts": artifacts, "provenance": {"image": "a:1"}}
    found = lines.outcome([line({"results": {"training_time": 1.0}}), line(told), line({"results": 7})])
    assert found is not None
    assert found.results == {"training_time": 2.5}
    assert [(each.path, each.size) for each in found.artifacts] == [("plots/loss.png", 3)]
    assert found.provenance == {"image": "a:1"}
    assert lines.outcome([line({"epoch": {"epoch": 1}})]) is None


PAGE = """\
trainer_epoch 3
trainer_metric{split="val",name="loss"} 0.5
trainer_metric{split="val",name="auroc"} NaN
trainer_metric{split="test",name="loss"} 0.25
trainer_learning_rate 0.001
trainer_samples_per_second 81.5
trainer_global_step 77
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            PAGE,
            {
                "epoch": 3,
                "val_loss": 0.5,
                "val_auroc": None,
                "learning_rate": 0.001,
                "samples_per_second": 81.5,
                "time": TIME,
            },
        ),
        ("trainer_epoch 3\n", None),
        ('trainer_metric{split="val",name="loss"} 0.5\n', None),
        ("trainer_epoch NaN\n", None),
        ("<html>", None),
        ('a{b="', None),
        ("", None),
    ],
)
def test_a_page_tells_the_last_epoch(text: str, found: Any) -> None:
    assert page.epoch_of(text, NOW) == found


def test_a_status_tells_the_last_epoch() -> None:
    metrics = [{"name": "val_loss", "value": "0.5"}, {"name": "test_loss", "value": "1"}]
    status = {"progress": {"epoch": 3, "samplesPerSecond": "81.5"}, "metrics": metrics}
    assert of_status(status, NOW) == {
        "epoch": 3,
        "val_loss": 0.5,
        "samples_per_second": 81.5,
        "time": TIME,
    }
    assert of_status({"progress": {"epoch": 3}}, NOW) is None
    assert of_status({"metrics": metrics}, NOW) is None


@given(
    st.recursive(
        st.none() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_is_stored_is_strict_json_without_nul(content: Any) -> None:
    text = json.dumps(storable(content), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()

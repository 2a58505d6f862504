"""What rank 0 serves, in the words that the operator reads."""

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from trainingrun_api import telemetry as names
from trainingrun_api.exposition import MetricFamily
from trainingrun_api.listening import every_address
from trainingrun_api.telemetry import TrainerPhase
from trainingrun_trainer import heartbeat_page
from trainingrun_trainer.heartbeat import Heartbeat, Heartbeats
from trainingrun_trainer.metrics import MOST_NAMES
from trainingrun_trainer.telemetry import BestEpoch, Telemetry


def after_an_epoch() -> Telemetry:
    heartbeat = Heartbeat()
    telemetry = Telemetry(heartbeat)
    telemetry.resumed(5, exact=True, damaged=1)
    telemetry.plan(epochs=5, steps=50, done=1, monitor="val_accuracy")
    heartbeat.stepped(10)
    heartbeat.data_wait_seconds += 0.5
    metrics = {"val_accuracy": 0.9, "train_loss": 0.4}
    metrics |= {f"val_recall_class_{number}": 0.1 for number in range(100)}
    telemetry.epoch(
        epoch=1,
        metrics=metrics,
        monitor="val_accuracy",
        best=BestEpoch(0.9, 1),
        seconds_per_epoch=2.0,
        samples_per_second=70.0,
        learning_rate=0.001,
    )
    telemetry.checkpoint(0.2, 10)
    return telemetry


def served(telemetry: Telemetry) -> dict[tuple[str, tuple[str, ...]], float]:
    text = generate_latest(telemetry.registry).decode()
    return {
        (
            sample.name,
            tuple(sample.labels[name] for name in ("phase", "split", "name") if name in sample.labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_exactly_one_phase_holds() -> None:
    heartbeat = Heartbeat()
    telemetry = Telemetry(heartbeat)
    heartbeat.enter(TrainerPhase.VALIDATING)
    phases = {labels[0]: value for (name, labels), value in served(telemetry).items() if name == names.PHASE}
    assert phases == {phase.value: float(phase is TrainerPhase.VALIDATING) for phase in TrainerPhase}


def test_what_is_not_known_yet_is_absent() -> None:
    found = served(Telemetry(Heartbeat()))
    assert (names.SECONDS_PER_EPOCH, ()) not in found
    assert (names.EPOCH, ()) not in found


def test_an_epoch_is_served_under_the_names_of_the_api() -> None:
    found = served(after_an_epoch())
    expected = {
        (names.METRIC, ("val", "accuracy")): 0.9,
        (names.METRIC, ("train", "loss")): 0.4,
        (names.BEST_METRIC, ("val", "accuracy")): 0.9,
        (names.MONITOR, ("val", "accuracy")): 1,
        (names.BEST_EPOCH, ()): 1,
        (names.EPOCH, ()): 1,
        (names.EPOCHS_PLANNED, ()): 5,
        (names.GLOBAL_STEP, ()): 10,
        (names.STEPS_PLANNED, ()): 50,
        (names.SECONDS_PER_EPOCH, ()): 2,
        (names.SAMPLES_PER_SECOND, ()): 70,
        (names.LEARNING_RATE, ()): 0.001,
        (names.DATA_WAIT_SECONDS, ()): 0.5,
        (f"{names.CHECKPOINT_SECONDS}_count", ()): 1,
        (names.LAST_CHECKPOINT_STEP, ()): 10,
        (names.RESUMED_STEP, ()): 5,
        (names.RESUME_EXACT, ()): 1,
        (names.DAMAGED_CHECKPOINTS, ()): 1,
        (names.CHECKPOINT_FAILURES, ()): 0,
        (names.CHECKPOINT_BLOCKED, ()): 0,
        (names.USEFUL_SECONDS, ()): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found[names.HEARTBEAT, ()] > 0
    assert sum(name == names.METRIC for name, _ in found) == MOST_NAMES


def test_scores_of_the_test_split_take_the_place_of_the_least_telling() -> None:
    telemetry = after_an_epoch()
    test = {f"test_recall_class_{number}": 0.2 for number in range(100)} | {"test_accuracy": 0.8}
    telemetry.metrics(test, "val_accuracy")
    shown = {labels: value for (name, labels), value in served(telemetry).items() if name == names.METRIC}
    assert len(shown) == MOST_NAMES
    assert shown["val", "accuracy"] == 0.9
    assert shown["test", "accuracy"] == 0.8
    assert {split for split, name in shown if name.startswith("recall")} == {"test"}


def test_a_pace_of_earlier_attempts_is_served_before_the_first_epoch() -> None:
    telemetry = Telemetry(Heartbeat())
    telemetry.plan(epochs=5, steps=50, done=1, monitor="val_accuracy", seconds_per_epoch=7.0)
    assert served(telemetry)[names.SECONDS_PER_EPOCH, ()] == 7


def test_a_checkpoint_is_blocked_until_one_is_written_again() -> None:
    telemetry = Telemetry(Heartbeat())
    blocked = []
    for happens in (telemetry.checkpoint_failed, lambda: telemetry.checkpoint(0.1, 3)):
        happens()
        found = served(telemetry)
        blocked.append((found[names.CHECKPOINT_BLOCKED, ()], found[names.CHECKPOINT_FAILURES, ()]))
    assert blocked == [(1, 1), (0, 1)]


def test_the_pages_are_what_the_definitions_say() -> None:
    page = heartbeat_page.text(Heartbeats(range(2)).read())
    served = {}
    for family in (*after_an_epoch().registry.collect(), *text_string_to_metric_families(page)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        served[name] = (family.type, labels)
    assert served == {
        family: (family.kind, set(family.labels))
        for family in vars(names).values()
        if isinstance(family, MetricFamily)
    }


def test_the_definition_names_every_phase() -> None:
    assert re.findall(r"`([a-z-]+)`", names.PHASE.help) == [*TrainerPhase]


@pytest.mark.parametrize(("address", "bound"), [(None, every_address()), ("127.0.0.1", "127.0.0.1")])
def test_it_answers_at_every_address_or_at_the_one_that_is_given(
    address: str | None, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(f"{Telemetry.__module__}.start_http_server", lambda *given: asked.extend(given))
    served_by = Telemetry(Heartbeat())
    served_by.serve(9400, address)
    assert asked == [9400, bound, served_by.registry]

"""Brings the history up to what was heard of a run.

The row of a run that ended is written last: that it stands there means that epochs and results do. So whoever
begins anew after a crash sees what is still to be done, and whoever watches live sees the end at the end.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from trainingrun_api.reasons import Phase
from trainingrun_client.connection import Connection
from trainingrun_client.errors import TrainingRunError
from trainingrun_client.log_lines import LogLine
from trainingrun_console.collecting import lines as of_log
from trainingrun_console.collecting import page as of_page
from trainingrun_console.collecting import run_files
from trainingrun_console.collecting.events import event_of
from trainingrun_console.collecting.leniently import mapping, number, text, truth, whole
from trainingrun_console.collecting.lines import Outcome
from trainingrun_console.collecting.merging import Account, Source, Weight, of_status, winners
from trainingrun_console.collecting.news import News
from trainingrun_console.collecting.observed import attempts_of, run_of
from trainingrun_console.collecting.rank_zero import RankZero
from trainingrun_console.collecting.run_files import RunFiles
from trainingrun_console.history.records import Attempt, Run
from trainingrun_console.history.store import History

LOGGER = logging.getLogger(__name__)
ENDED = (Phase.COMPLETED, Phase.FAILED)
NOBODY = 0
"""Attempt of an account of which nobody knows whose it is: all others count before it."""


class NotYetError(Exception):
    """Something is still to come; ask again soon."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a run is: what decides whether somebody is to be asked."""

    attempt: int
    epoch: int
    attempts_ended: int
    ended: bool


@dataclass(slots=True)
class Memory:
    """What is known of a run that goes on; after a restart of the service, of none."""

    rank_zero: RankZero
    weights: dict[int, Weight]
    """Of the epochs that are stored."""
    stage: Stage | None = None
    """That for which all was asked."""
    attempts: Sequence[Attempt] = ()
    tells_epochs: bool = True
    """Whether its log does."""


class Recorder:
    """Of all runs. Threads share it, but each run is one thread's at a time."""

    def __init__(
        self,
        connection: Connection,
        history: History,
        changed: Callable[[str], None],
        now: Callable[[], datetime],
        *,
        mounted: Mapping[str, Path],
        keep_days: int | None = None,
    ) -> None:
        """
        Args:
            changed: is told of each run whose history changed.
            now: the time.
            mounted: claims that are mounted here, by namespace/claim.
            keep_days: a run that ended before so many days is not taken up.
        """
        self._connection, self._history, self._changed, self._now = connection, history, changed, now
        self._mounted, self._keep_days = mounted, keep_days
        self._memories: dict[str, Memory] = {}

    def record(self, run_id: str, news: News, *, patient: bool) -> None:
        """Write down what was heard, and what is asked for because of it.

        Args:
            patient: may be asked again. Otherwise what nobody tells is left out.

        Raises:
            NotYetError: it is worth while to try again.
            TrainingRunError: the cluster does not answer, and is worth another try.
        """
        stored = self._history.run(run_id)
        if news.object is not None and not self._is_outdated(stored, run_of(news.object)):
            self._observe(news.object, stored, patient and not news.gone)
            stored = self._history.run(run_id)
        if stored is None:
            if news.events and patient:
                raise NotYetError(f"an event of {run_id}, which nobody has seen")
            return
        if events := [event for each in news.events.values() if (event := event_of(each))]:
            self._history.save_events(run_id, events)
        if news.gone:
            if news.object is None and not is_recorded(stored):
                self._take_files(stored)
            self._memories.pop(run_id, None)
            self._history.mark_deleted(run_id, self._now())
        if events or news.gone:
            self._changed(run_id)

    def _is_outdated(self, stored: Run | None, run: Run) -> bool:
        """Whether it was forgotten, or would be soon."""
        ended = run.completed_at if run.finished else None
        if stored is not None or ended is None or self._keep_days is None:
            return False
        return ended < self._now() - timedelta(days=self._keep_days)

    def _observe(self, raw: Mapping[str, Any], stored: Run | None, patient: bool) -> None:
        run = run_of(raw)
        if stored is None:
            # An ended run's row is the last; the others refer to a row.
            began = replace(run, phase=Phase.RUNNING, completed_at=None, object={}) if run.finished else run
            self._history.save(began)
        elif is_recorded(stored, raw):
            if stored.object["metadata"] != run.object["metadata"] and self._history.save(run):
                self._changed(run.run_id)
            return
        memory = self._memories.get(run.run_id) or self._begin(run)
        attempts = attempts_of(raw)
        news = attempts != memory.attempts
        if news:
            self._history.save_attempts(run.run_id, attempts)
            memory.attempts = attempts
        if not run.finished and (self._history.save(run) or news):
            self._changed(run.run_id)
        outcome = self._collect(raw, run, memory, patient)
        if run.finished:
            self._history.save(_with(run, outcome, raw, stored))
            self._memories.pop(run.run_id, None)
            self._changed(run.run_id)

    def _begin(self, run: Run) -> Memory:
        stored = [int(epoch["epoch"]) for epoch in self._history.epochs(run.run_id)]
        weight = Weight(run.attempt or 1, Source.LOG)
        rank_zero = RankZero(self._connection, run.namespace, run.uid)
        memory = Memory(rank_zero, dict.fromkeys(stored, weight))
        self._memories[run.run_id] = memory
        return memory

    def _collect(self, raw: Mapping[str, Any], run: Run, memory: Memory, patient: bool) -> Outcome | None:
        """Ask for what is not known of a stage, and store the epochs."""
        ended = max((attempt.number for attempt in memory.attempts), default=0)
        stage = Stage(run.attempt or 1, run.epoch or 0, ended, run.finished)
        if stage == memory.stage:
            return None
        lines = self._lines(run, memory, stage, patient and run.finished)
        accounts = of_log.accounts(lines or (), self._now())
        outcome = of_log.outcome(lines or ())
        if lines is not None and stage.epoch:
            memory.tells_epochs = bool(accounts) or run.task is not None
        accounts += self._poorer(raw, run, memory, stage, {account.number for account in accounts})
        if run.finished and (files := self._files(raw)):
            accounts += files.accounts(self._now())
            outcome = files.outcome() or outcome
        self._store(run.run_id, accounts, memory)
        if not run.finished:  # else its row is still to be written, and all of this with it if that fails
            memory.rank_zero.keep()
            memory.stage = stage
        if run.phase == Phase.COMPLETED and outcome:
            self._drop_surplus(run.run_id, outcome)
        return outcome

    def _lines(self, run: Run, memory: Memory, stage: Stage, patient: bool) -> list[LogLine] | None:
        """Of rank 0's logs; None where nothing new can stand in them, so that nobody was asked."""
        before = memory.stage
        if before is None:
            wanted: tuple[int, ...] | None = None if stage.epoch or stage.ended else ()
        else:
            closed = set(range(before.attempts_ended + 1, stage.attempts_ended + 1))
            told = memory.tells_epochs and stage.epoch and (stage.attempt, stage.epoch) != _place(before)
            wanted = tuple(sorted(closed | ({stage.attempt} if told or stage.ended else set())))
        if wanted == ():
            return None
        try:
            return memory.rank_zero.lines(wanted)
        except TrainingRunError as error:
            if patient:
                raise
            LOGGER.info("no log of %s/%s: %s", run.namespace, run.name, error)
            return []

    def _poorer(
        self, raw: Mapping[str, Any], run: Run, memory: Memory, stage: Stage, told: set[int]
    ) -> list[Account]:
        """The accounts of rank 0's metrics and of status, where the log does not tell of the last epoch.

        Right after an attempt began, both may still tell of the one before.
        """
        before = memory.stage
        of_this = before is not None and (
            stage.epoch < before.epoch or (stage.epoch > before.epoch and stage.attempt == before.attempt)
        )
        missing = stage.epoch not in memory.weights
        if not stage.epoch or stage.epoch in told or not (missing or of_this):
            return []
        attempt, now = stage.attempt if of_this else NOBODY, self._now()
        found = []
        if status := of_status(mapping(raw, "status"), now):
            found.append(Account(Weight(attempt, Source.STATUS), status))
        page = memory.rank_zero.page(stage.attempt) if run.phase == Phase.RUNNING else None
        if page and (epoch := of_page.epoch_of(page, now)):
            found.append(Account(Weight(attempt, Source.PAGE), epoch))
        return found

    def _store(self, run_id: str, accounts: Sequence[Account], memory: Memory) -> None:
        best = winners(accounts, memory.weights)
        if best and self._history.save_epochs(run_id, [account.epoch for account in best.values()]):
            self._changed(run_id)
        memory.weights.update({number: account.weight for number, account in best.items()})

    def _drop_surplus(self, run_id: str, outcome: Outcome) -> None:
        """The last attempt may have ended at an earlier epoch than one before it."""
        total = whole(outcome.results, "total_epochs_run")
        if total and self._history.last_epoch(run_id) > total:
            self._history.drop_epochs(run_id, total)

    def _files(self, raw: Mapping[str, Any]) -> RunFiles | None:
        place = run_files.run_directory_of(raw, self._mounted)
        if place is None:
            return None
        try:
            return run_files.of_claim(*place)
        except OSError as error:
            LOGGER.warning("the run directory %s in %s: %s", place[1], place[0], error)
            return None

    def _take_files(self, stored: Run) -> None:
        """Of a run that went unseen: what its run directory says is all that is left."""
        if files := self._files(stored.object):
            self._store(stored.run_id, files.accounts(self._now()), self._begin(stored))
            told, outcome = files.as_run(), files.outcome()
            if told and told.finished:
                stored = replace(stored, phase=told.phase, completed_at=told.completed_at)
            self._history.save(_with(stored, outcome, {}, stored))


def is_recorded(stored: Run, raw: Mapping[str, Any] | None = None) -> bool:
    """Whether all that a run left is in the history; for an object, whether that is of the same end.

    Only this service writes the object, and at the end it does so last.
    """
    told = mapping(stored.object, "status")
    now = told if raw is None else mapping(raw, "status")
    return text(told, "phase") in ENDED and all(
        told.get(name) == now.get(name) for name in ("phase", "attempt", "completionTime")
    )


def _place(stage: Stage) -> tuple[int, int]:
    return stage.attempt, stage.epoch


def _with(run: Run, outcome: Outcome | None, raw: Mapping[str, Any], stored: Run | None) -> Run:
    """With what it left; where nobody told, with what follows from its status."""
    if outcome is not None:
        return replace(
            run,
            results=outcome.results or None,
            artifacts=outcome.artifacts,
            provenance=outcome.provenance,
            early_stopped=truth(outcome.results, "early_stopped"),
            training_time=number(outcome.results, "training_time"),
        )
    if run.phase != Phase.COMPLETED or (stored is not None and stored.training_time is not None):
        return run
    early = None if run.epoch is None or run.total_epochs is None else run.epoch < run.total_epochs
    return replace(run, early_stopped=early, training_time=number(raw, "status", "progress", "usefulSeconds"))

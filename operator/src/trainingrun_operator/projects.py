"""Who holds a project: of the runs of a project in a namespace, one is active and the others wait.

The choice is made where a run could start an attempt, from what the index shows of all of them and from what
this process allowed a moment ago, which the index cannot show yet. Both are read and the new permission is
noted under one lock, so two runs that are looked at in the same instant never both go. After a restart of the
operator the ledger is empty, and the statuses and Jobs say who is active.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from threading import Lock
from typing import Any

from trainingrun_api.reasons import AttemptOutcome, ConditionType, Phase, Reason
from trainingrun_operator.observed import Key, Run
from trainingrun_operator.plan import Ahead
from trainingrun_operator.view import View


class Claim(IntEnum):
    """How strong a run's claim to its project is; lower goes first."""

    UNDER_WAY = 0
    """It has an attempt that is not over."""
    RESTARTING = 1
    """It is between two attempts."""
    WAITING = 2


def claim_of(view: View) -> Claim | None:
    """A run's claim; None where it wants nothing: it is over, suspended or being deleted."""
    run, status = view.run, view.run.status
    if run.deleting or run.over:
        return None
    attempt = view.children().latest(status.get("attempt"))
    record = (status.get("attempts") or [{}])[-1]
    if attempt is not None and record.get("number") != attempt:
        return Claim.UNDER_WAY
    if run.spec.get("suspend"):
        return None
    left = record.get("outcome") == AttemptOutcome.SUSPENSION or _held_back(status)
    return Claim.WAITING if attempt is None or left else Claim.RESTARTING


def line(views: Iterable[View]) -> list[View]:
    """The runs that have a claim, in the order in which they go: first come, first served."""
    claims = [(claim, view) for view in views if (claim := claim_of(view)) is not None]
    claims.sort(key=lambda pair: (pair[0], pair[1].run.created, pair[1].run.name))
    return [view for _, view in claims]


class Projects:
    """The ledger of one process. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders: dict[Key, Run] = {}

    def ahead(self, view: View, rivals: Sequence[View]) -> Ahead | None:
        """The run that goes first; None where this one may go, and from then on holds its project.

        `rivals` are the other runs of the project, as new as they are known. A run without a project may
        always go.
        """
        project = view.run.project
        if project is None:
            return None
        with self._lock:
            holder = self._holders.get(project)
            claim = claim_of(view)
            if claim is None:
                return None
            in_line = line([view, *rivals])
            if holder is None and (claim == Claim.UNDER_WAY or in_line[0] is view):
                self._holders[project] = view.run
                return None
            if claim == Claim.UNDER_WAY or (holder and holder.uid == view.run.uid):
                return None
        first = holder or in_line[0].run
        newest = next((rival.run for rival in rivals if rival.run.uid == first.uid), first)
        others = [waiting for waiting in in_line if waiting.run.uid != first.uid]
        return Ahead(first.name, _doing(newest), holder is not None, others.index(view) + 1)

    def news(self, view: View, phase_before: str | None) -> Key | None:
        """The project whose waiting runs have something to hear of a run after a step: it held the project
        and wants it no longer, or its phase changed. Takes note that it wants it no longer."""
        run = view.run
        if claim_of(view) is None:
            return self.forget(run.uid)
        with self._lock:
            holder = self._holders.get(run.project) if run.project else None
        held = holder is not None and holder.uid == run.uid
        return run.project if held and run.status.get("phase") != phase_before else None

    def forget(self, uid: str) -> Key | None:
        """Drops a run that is gone; the project, where it held it."""
        with self._lock:
            held = next((project for project, run in self._holders.items() if run.uid == uid), None)
            if held:
                del self._holders[held]
            return held


def _held_back(status: Mapping[str, Any]) -> bool:
    """Whether it gave its project up between two attempts: suspended then, or waiting since."""
    return any(
        condition["type"] == ConditionType.QUOTA_RESERVED
        and condition["reason"] in (Reason.SUSPENDED, Reason.WAITING_FOR_PROJECT)
        for condition in status.get("conditions") or ()
    )


def _doing(run: Run) -> str:
    """What the run that is waited for is doing, in a word or two."""
    epoch = (run.status.get("columns") or {}).get("epoch")
    phase = str(run.status.get("phase") or Phase.PENDING)
    return f"{phase}, epoch {epoch}" if epoch and phase == Phase.RUNNING else phase

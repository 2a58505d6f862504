"""Carries one run a step further: snapshot -> decision -> creations -> at most one status write -> deletions
-> news.

Safe to be killed between any two requests: what exists is found again by its owner's UID (`policies.start`),
the status is written after what it tells of, and news only after the status. Threads may share a reconciler
as long as each run is in one thread at a time.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from trainingrun_api import TrainingRunSpec, TrainingRunStatus, names
from trainingrun_api.reasons import Reason
from trainingrun_api.status import AttemptRecord
from trainingrun_operator import events
from trainingrun_operator.cluster import JOBS, PODS, RESOURCES, RUNS, Cluster
from trainingrun_operator.complaints import Complaints
from trainingrun_operator.conditions import expected, urgent
from trainingrun_operator.decide import decide
from trainingrun_operator.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    InvalidError,
    NameTakenError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from trainingrun_operator.heartbeats import Pulse
from trainingrun_operator.observed import Key, Pod, Run, controller_uid, job_from, pod_from, run_from
from trainingrun_operator.ownership import contest
from trainingrun_operator.plan import Image, Manifest, Plan, Situation, Standing, Verify
from trainingrun_operator.pod_defaults import PodDefaults
from trainingrun_operator.policies.refused import refused, unreadable
from trainingrun_operator.policies.settled import settled
from trainingrun_operator.projects import Projects
from trainingrun_operator.scrape import Scrape
from trainingrun_operator.times import seconds_between
from trainingrun_operator.view import View
from trainingrun_operator.workloads import Workloads

OUTDATED_SECONDS = 1.0
"""When to look again after a decision turned out to rest on an outdated index entry."""
LOADED_SECONDS = 30.0
"""Under load, how long a new run may go without the record that its pods are awaited: mostly they run before,
and that is told instead. Of all that a run costs the API server, writes of its status are the dearest."""
LOOK_AGAIN_SECONDS = 5.0
"""How soon the load may have passed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a run stands after a step."""

    status: TrainingRunStatus
    requeue_after: float | None = None
    """Seconds after which to look again although nothing may have changed."""
    stirred: Key | None = None
    """Namespace and name of a project whose waiting runs should look again."""
    started: bool = False
    """Whether the Job of an attempt was created in this step."""
    ended: tuple[AttemptRecord, ...] = ()
    """Attempts whose end was written down in this step."""
    run: Run | None = None
    """The run as it was written in this step."""


@dataclass(frozen=True, slots=True)
class _Written:
    """The last status write of this process, which the index may not show yet."""

    run: Run
    at: datetime
    outdated: frozenset[str]
    """resourceVersions from before the write."""
    held_since: datetime | None = None
    """Since when a change has been held back which may soon be overtaken."""
    resting: bool = False
    """Whether there is nothing to be done until something happens."""


class Reconciler:
    """Everything but the timing: when a run is looked at is up to the caller."""

    def __init__(
        self,
        cluster: Cluster,
        trainer_image: Image,
        progress_seconds: float,
        now: Callable[[], datetime],
        reporter: str,
        take_pulse: Callable[[Sequence[Pod]], Pulse | None],
        pod_defaults: PodDefaults | None = None,
    ) -> None:
        """`progress_seconds` is the shortest time between writes of live numbers, `reporter` names this
        process, `take_pulse` asks the pods of an attempt for their heartbeats, unless too many are asked."""
        self._cluster = cluster
        self._trainer_image = trainer_image
        self._progress_seconds = progress_seconds
        self._now = now
        self._reporter = reporter
        self._take_pulse = take_pulse
        self._pod_defaults = pod_defaults or PodDefaults()
        self._written: dict[str, _Written] = {}
        self._unrecorded: dict[str, datetime] = {}
        """Since when runs have gone without their first record, by UID."""
        self._projects = Projects()
        self._workloads = Workloads(cluster)
        self._complaints = Complaints(cluster)

    def reconcile(
        self,
        view: View,
        scrape: Scrape | None = None,
        rivals: Iterable[View] = (),
        *,
        hears: bool = True,
        loaded: bool = False,
    ) -> Outcome:
        """One step of a run; `rivals` are the others of its project, `hears` is whether any trainer at all
        answered of late, `loaded` whether more runs wait for a step than can be served at once.

        Raises ApiError, UnavailableError and pydantic.ValidationError (a status of another version of the
        API).
        """
        view = replace(view, run=self._latest(view.run))
        outcome = self._step(view, scrape, rivals, hears, loaded)
        phase_before = view.run.status.get("phase")
        known = replace(view, run=outcome.run or view.run)
        return replace(outcome, stirred=self._projects.news(known, phase_before))

    def _step(
        self, view: View, scrape: Scrape | None, rivals: Iterable[View], hears: bool, loaded: bool
    ) -> Outcome:
        standing = Standing(run=view.run, status=_status(view.run), now=self._now())
        try:
            spec = self._spec(view.run)
        except ValidationError as error:
            if (plan := settled(standing)) is None:
                plan = unreadable(standing, error)
                log.warning("%s", plan.why)
            return self._finish(standing, plan, loaded)
        children = view.children()
        attempt = children.latest(standing.status.attempt)
        situation = Situation(
            run=standing.run,
            spec=spec,
            status=standing.status,
            children=children,
            scrape=scrape if scrape and scrape.attempt == attempt else None,
            now=standing.now,
            trainer_image=self._trainer_image,
            ahead=self._projects.ahead(view, [self._known(rival) for rival in rivals]),
            hears=hears,
        )
        plan = decide(situation)
        while plan.verify:
            if (found := self._verify(situation, plan.verify)) is None:
                return Outcome(situation.status)
            situation = found
            plan = decide(situation)
        log.debug("%s", plan.why)
        try:
            for manifest in plan.create:
                self._create(situation.run, manifest)
        except (NameTakenError, InvalidError, RefusedError) as error:
            plan = refused(situation, error)
        return replace(self._finish(situation, plan, loaded), started=bool(plan.create))

    def rests(self, run: Run) -> bool:
        """Whether the watch shows a run just as this process wrote it, and nothing was left to do: such an
        echo is no news. The event loop asks, whatever the threads are at."""
        written = self._written.get(run.uid)
        if written is None or not written.resting or written.run.resource_version != run.resource_version:
            return False
        if run.over:
            self._written.pop(run.uid, None)
        return True

    def forget(self, uid: str) -> Key | None:
        """Drops what is remembered of a run that no longer exists; the project that it held."""
        self._written.pop(uid, None)
        self._unrecorded.pop(uid, None)
        self._workloads.forget(uid)
        self._complaints.forget(uid)
        return self._projects.forget(uid)

    def _known(self, view: View) -> View:
        """The same with the run as this process last wrote it, as long as the index shows it from before."""
        written = self._written.get(view.run.uid)
        outdated = written and view.run.resource_version in written.outdated
        return replace(view, run=written.run) if written and outdated else view

    def _latest(self, run: Run) -> Run:
        """As `_known`, for the run in hand, which no other thread has."""
        written = self._written.get(run.uid)
        if written and run.resource_version in written.outdated:
            return written.run
        if written and written.outdated:
            # The index has caught up, and versions only go on.
            if run.over:
                self._written.pop(run.uid, None)
            else:
                self._written[run.uid] = replace(written, outdated=frozenset())
        return run

    def _verify(self, situation: Situation, what: Verify) -> Situation | None:
        """The situation with what the API server says of the run, its Job or its pods; None where the run is
        gone."""
        run = situation.run
        checked = situation.verified | {what}
        if what == Verify.RUN:
            body = self._cluster.get(RUNS, run.namespace, run.name)
            if body is None or body["metadata"]["uid"] != run.uid:
                return None
            fresh = run_from(body)
            spec = self._spec(fresh)
            return replace(situation, run=fresh, spec=spec, status=_status(fresh), verified=checked)
        if what == Verify.PULSE:
            return replace(situation, pulse=self._take_pulse(situation.pods), verified=checked)
        if what == Verify.COMPLAINT:
            return replace(situation, complaint=self._complaints.ask(situation), verified=checked)
        if what == Verify.WORKLOAD:
            told = self._workloads.ask(situation)
            return replace(situation, workload=told, verified=checked)
        view = View(run, situation.children.jobs, situation.children.pods)
        if what == Verify.PODS:
            found = self._cluster.find(PODS, run.namespace, f"{names.UID_LABEL}={run.uid}")
            view = replace(view, pods=tuple(map(pod_from, found)))
        else:
            name = names.job_name(run.name, situation.attempt or 0)
            body = self._cluster.get(JOBS, run.namespace, name)
            own = (job_from(body),) if body and controller_uid(body) == run.uid else ()
            view = replace(view, jobs=(*(job for job in view.jobs if job.name != name), *own))
        return replace(situation, children=view.children(), verified=checked)

    def _spec(self, run: Run) -> TrainingRunSpec:
        return self._pod_defaults.applied(TrainingRunSpec.model_validate(run.spec))

    def _create(self, run: Run, manifest: Manifest) -> None:
        """Creates a child, or finds that it exists and is the run's. Raises NameTakenError."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        try:
            self._cluster.create(manifest)
            log.info("created %s %s", kind, name)
        except AlreadyExistsError:
            existing = self._cluster.get(RESOURCES[kind], run.namespace, name)
            if existing is None:
                raise NameTakenError(f"{kind} {name} is just being removed", passing=True) from None
            if error := contest(run, {"kind": kind, **existing}):
                raise error from None

    def _finish(self, standing: Standing, plan: Plan, loaded: bool) -> Outcome:
        """Everything after the creations; nothing of it where the decision rested on an outdated run."""
        old = standing.status
        try:
            new, early, run = self._record(standing, plan.status or old, loaded)
        except ConflictError:
            return Outcome(old, OUTDATED_SECONDS)
        except NotFoundError:
            return Outcome(old)
        for deletion in plan.delete:
            log.info("deletes %s %s: %s", deletion.kind, deletion.name, plan.why)
            resource = RESOURCES[deletion.kind]
            self._cluster.delete(
                resource, standing.run.namespace, deletion.name, deletion.uid, deletion.grace_seconds
            )
        if run:
            self._tell(standing, new)
        waits = [seconds for seconds in (plan.requeue_after, early) if seconds is not None]
        known = {record.number for record in old.attempts or ()}
        ended = tuple(record for record in new.attempts or () if record.number not in known)
        return Outcome(new, min(waits, default=None), ended=ended, run=run)

    def _record(
        self, standing: Standing, new: TrainingRunStatus, loaded: bool
    ) -> tuple[TrainingRunStatus, float | None, Run | None]:
        """Writes the status where it changed; the status as it stands, in how many seconds to look again, and
        the run where it was written.

        That is later where it is too early for live numbers, and otherwise what the written status leaves to
        be done.
        """
        run, old = standing.run, standing.status
        if new == old:
            return old, None, None
        if loaded and old.phase is None and expected(new):
            left = LOADED_SECONDS - seconds_between(
                self._unrecorded.setdefault(run.uid, standing.now), standing.now
            )
            if left > 0:
                return old, min(left, LOOK_AGAIN_SECONDS), None
        self._unrecorded.pop(run.uid, None)
        before = self._written.get(run.uid)
        if before and not urgent(old, new):
            if new.reason == Reason.PODS_STARTING and before.held_since is None:
                # Pods that have just appeared mostly run in a moment, which is then told instead.
                self._written[run.uid] = before = replace(before, held_since=standing.now)
            age = seconds_between(before.held_since or before.at, standing.now)
            if 0 <= age < self._progress_seconds:  # below 0 where the clock was set back
                return old, self._progress_seconds - age, None
        answer = self._cluster.replace_status(_with_status(run, new))
        outdated = {run.resource_version} | (before.outdated if before else frozenset())
        written = run_from(answer)
        resting, early = _look_again(replace(standing, run=written, status=new))
        self._written[run.uid] = _Written(written, standing.now, frozenset(outdated), resting=resting)
        if old.reason != new.reason:
            log.info("%s: %s: %s", new.phase, new.reason, new.message)
        return new, early, written

    def _tell(self, standing: Standing, new: TrainingRunStatus) -> None:
        """Posts the news. It may get lost: the conditions hold the truth."""
        for place, event in enumerate(events.news(standing.status, new)):
            moment = standing.now + timedelta(microseconds=place)
            try:
                self._cluster.create(events.manifest(event, standing.run, moment, self._reporter))
            except (ApiError, UnavailableError) as error:
                log.warning("event %s could not be posted: %s", event.reason, error)


def _look_again(standing: Standing) -> tuple[bool, float | None]:
    """Whether a run as it was just written leaves nothing to do, and in how many seconds it will."""
    if not isinstance(standing, Situation):
        return False, None
    plan = decide(standing)
    more = plan.verify or plan.create or plan.delete or plan.status not in (None, standing.status)
    return not more, None if more else plan.requeue_after


def _status(run: Run) -> TrainingRunStatus:
    """The status as read; fields that a newer version of the operator wrote are ignored."""
    return TrainingRunStatus.model_validate(run.status, extra="ignore")


def _with_status(run: Run, status: TrainingRunStatus) -> dict[str, object]:
    """Body of a status replacement, refused where the run changed or is another one by now."""
    meta = {
        "namespace": run.namespace,
        "name": run.name,
        "uid": run.uid,
        "resourceVersion": run.resource_version,
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": meta,
        "status": status.to_wire(),
    }

"""What the watches have brought: the runs by kopf, their Jobs and pods by `children`.

It is a hint: after a watch was interrupted (410 Gone), kopf lists anew but never tells what was deleted in
the meantime. The audit of `resync` finds such ghosts by their UIDs.

A deleted pod leaves the index in the same moment in which it tells how it ended. So pods of the latest
attempt that are gone are still shown, as ended. And when its node reports the end, the time of the deletion
is set anew, so the first one that was heard of is kept.

Belongs to the event loop.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from trainingrun_operator.observed import Job, Key, PackedRun, Pod, Run, gone
from trainingrun_operator.store import Store
from trainingrun_operator.view import View


@dataclass(slots=True)
class Informer:
    """Objects by namespace and name of the run."""

    runs: Store[Run | PackedRun] = field(default_factory=Store)
    jobs: Store[Job] = field(default_factory=Store)
    pods: Store[Pod] = field(default_factory=Store)
    projects: Store[Run] = field(default_factory=Store)
    """The same runs by namespace and project, without those that are over."""
    gone: dict[Key, dict[str, Pod]] = field(default_factory=dict)
    """Pods that left the index, by UID, of one attempt of each run."""
    leaving: dict[str, datetime] = field(default_factory=dict)
    """When the deletion of a pod was first asked for, by UID."""

    def seen(self, run: Run, *, gone: bool) -> None:
        """Takes note of an event of a run; `gone` where it was the last one."""
        if gone:
            self.runs.drop(run.uid)
        else:
            self.runs.put(run.key, PackedRun.of(run) if run.over else run)
        if gone or run.over or run.project is None:
            self.projects.drop(run.uid)
        else:
            self.projects.put(run.project, run)

    def heard(self, key: Key, pod: Pod, *, gone: bool) -> None:
        """Takes note of an event of a pod; `gone` where it left the index."""
        if pod.deletion:
            self.leaving.setdefault(pod.uid, pod.deletion.requested_at)
        if gone:
            self._keep(key, self._since_first(pod))
            self.leaving.pop(pod.uid, None)

    def _keep(self, key: Key, pod: Pod) -> None:
        """The last state of a pod that was deleted, until a pod of a later attempt is."""
        known = self.gone.get(key, {})
        same = {uid: other for uid, other in known.items() if other.run_uid == pod.run_uid}
        if all(other.attempt <= pod.attempt for other in same.values()):
            kept = {uid: other for uid, other in same.items() if other.attempt == pod.attempt}
            self.gone[key] = {**kept, pod.uid: gone(pod)}

    def view(self, key: Key) -> View | None:
        """A run with its children, or None where there is no such run."""
        runs = self.runs.get(key)
        if not runs:
            self.gone.pop(key, None)
            return None
        newest = max(runs, key=lambda run: run.created)
        real = (self._since_first(pod) for pod in self.pods.get(key, ()))
        pods = {**self.gone.get(key, {}), **{pod.uid: pod for pod in real}}
        run = newest.unpacked() if isinstance(newest, PackedRun) else newest
        return View(run, tuple(self.jobs.get(key, ())), tuple(pods.values()))

    def rivals(self, run: Run) -> tuple[View, ...]:
        """The other runs of its project that are not over, with their Jobs."""
        if run.project is None:
            return ()
        others = (other for other in self.projects.get(run.project, ()) if other.uid != run.uid)
        return tuple(View(other, tuple(self.jobs.get(other.key, ()))) for other in others)

    def members(self, project: Key) -> list[Key]:
        """The runs of a project that are not over, given its namespace and name."""
        return [run.key for run in self.projects.get(project, ())]

    def run_keys(self) -> list[Key]:
        """All runs, and runs that only have children left."""
        return list({*self.runs, *self.jobs, *self.pods})

    def versions(self) -> dict[str, str]:
        """resourceVersions of all objects that are taken to exist, by UID."""
        stores: tuple[Store[Any], ...] = (self.runs, self.jobs, self.pods)
        return {
            item.uid: item.resource_version for store in stores for items in store.values() for item in items
        }

    def bury(self, uids: Iterable[str]) -> None:
        """Never shows these objects again."""
        stores: tuple[Store[Any], ...] = (self.runs, self.projects, self.jobs, self.pods)
        for uid in uids:
            for store in stores:
                store.drop(uid)
        known = self.versions()
        self.leaving = {uid: when for uid, when in self.leaving.items() if uid in known}

    def _since_first(self, pod: Pod) -> Pod:
        first = self.leaving.get(pod.uid)
        if first is None or pod.deletion is None:
            return pod
        return replace(pod, deletion=replace(pod.deletion, requested_at=first))

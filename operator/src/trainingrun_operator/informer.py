"""Reads the indices that kopf keeps from its watches.

An index is a hint: after a watch was interrupted (410 Gone), kopf lists anew but never drops what was deleted
in the meantime. The audit of `resync` finds such ghosts by their UIDs, and they are not shown from then on.

A deleted pod leaves the index in the same moment in which it tells how it ended. So pods of the latest
attempt that are gone are still shown, as ended. And when its node reports the end, the time of the deletion
is set anew, so the first one that was heard of is kept.

Belongs to the event loop, where kopf changes the indices.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

from trainingrun_operator.observed import Job, Key, Pod, Run, gone
from trainingrun_operator.view import View


class Snapshot(Protocol):
    """A snapshot in an index."""

    @property
    def uid(self) -> str:
        """metadata.uid."""

    @property
    def resource_version(self) -> str:
        """metadata.resourceVersion."""


T = TypeVar("T", bound=Snapshot)
Index = Mapping[Key, Collection[T]]


@dataclass(slots=True)
class Informer:
    """Indices by namespace and name of the run; empty until kopf has made them."""

    runs: Index[Run] = field(default_factory=dict)
    jobs: Index[Job] = field(default_factory=dict)
    pods: Index[Pod] = field(default_factory=dict)
    projects: Index[Run] = field(default_factory=dict)
    """The runs again, by namespace and project."""
    ghosts: set[str] = field(default_factory=set)
    """UIDs in an index of objects that no longer exist."""
    gone: dict[Key, dict[str, Pod]] = field(default_factory=dict)
    """Pods that left the index, by UID, of one attempt of each run."""
    leaving: dict[str, datetime] = field(default_factory=dict)
    """When the deletion of a pod was first asked for, by UID."""

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
        runs = self._real(self.runs, key)
        if not runs:
            self.gone.pop(key, None)
            return None
        newest = max(runs, key=lambda run: run.created)
        real = (self._since_first(pod) for pod in self._real(self.pods, key))
        pods = {**self.gone.get(key, {}), **{pod.uid: pod for pod in real}}
        return View(newest, tuple(self._real(self.jobs, key)), tuple(pods.values()))

    def rivals(self, run: Run) -> tuple[View, ...]:
        """The other runs of its project that are not over, with their Jobs."""
        if run.project is None:
            return ()
        others = (other for other in self._members(run.project) if other.uid != run.uid)
        return tuple(View(other, tuple(self._real(self.jobs, other.key))) for other in others)

    def members(self, project: Key) -> list[Key]:
        """The runs of a project that are not over, given its namespace and name."""
        return [run.key for run in self._members(project)]

    def run_keys(self) -> list[Key]:
        """All runs, and runs that only have children left."""
        return list({*self.runs, *self.jobs, *self.pods})

    def versions(self) -> dict[str, str]:
        """resourceVersions of all objects that are taken to exist, by UID."""
        return {uid: version for uid, version in self._known().items() if uid not in self.ghosts}

    def bury(self, uids: Iterable[str]) -> None:
        """Never shows these objects again; a UID is not used twice."""
        known = self._known().keys()
        self.ghosts = (self.ghosts | set(uids)) & known
        self.leaving = {uid: when for uid, when in self.leaving.items() if uid in known}

    def _known(self) -> dict[str, str]:
        indices: tuple[Index[Snapshot], ...] = (self.runs, self.jobs, self.pods)
        return {
            item.uid: item.resource_version for index in indices for items in index.values() for item in items
        }

    def _members(self, project: Key) -> list[Run]:
        return [run for run in self._real(self.projects, project) if not run.over]

    def _since_first(self, pod: Pod) -> Pod:
        first = self.leaving.get(pod.uid)
        if first is None or pod.deletion is None:
            return pod
        return replace(pod, deletion=replace(pod.deletion, requested_at=first))

    def _real(self, index: Index[T], key: Key) -> list[T]:
        return [item for item in index.get(key, ()) if item.uid not in self.ghosts]
